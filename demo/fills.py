"""The action of the page that draws parts of pictures anew, by means of the nodes. This module does not use Gradio."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from nodes import convert
from nodes.inpainting import fill_masked

from .accelerator import accelerated
from .host import DemoHost
from .steps import Done, Step, Watch, in_steps
from .work import prompted, run_node


@dataclass(frozen=True)
class Fills:
    """Pictures whose masked parts were drawn anew, the likeliest first, with their log-probabilities in nats."""

    pictures: list[Image.Image]
    log_probs: list[float]


@accelerated
def fill(
    picture: Image.Image, mask: Image.Image, prompt: str, model_name: str, settings: dict[str, Any]
) -> Iterator[Step | Done[Fills]]:
    """Draw the white parts of the mask anew; `settings` holds inputs of STARFlow Inpaint."""

    def work(watch: Watch) -> Fills:
        host = DemoHost(watch)
        model, given, steered = prompted(host, model_name, prompt, "")
        image, _, log_probs = run_node(
            fill_masked,
            host,
            model=model,
            image=convert.image([picture]),
            mask=torch.from_numpy(np.asarray(mask, np.float32) / 255)[None],
            positive=given,
            negative=steered,
            **settings,
        ).outputs
        return Fills(convert.pictures(image), log_probs)

    yield from in_steps(work)
