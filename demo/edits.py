"""The actions of the page that edits pictures, by means of the nodes. This module does not use Gradio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from nodes import convert
from nodes.inversion import invert
from nodes.morph import morph as morph_node
from nodes.pictures import decode, encode
from nodes.sampling import sample
from nodes.values import Latent, Model
from starflow_core.editing.vary import patched
from starflow_core.flow.noise import seeded_noise
from starflow_core.sampling import Sampling

from .accelerator import accelerated
from .host import DemoHost
from .steps import Done, Step, Watch, in_steps
from .work import one, prompted, run_node

EXACT = {"guidance": 0.0, "denoise": "off"}


@accelerated
def morph(
    pictures: tuple[Image.Image, Image.Image], prompts: tuple[str, str], model_name: str, frames: int
) -> Iterator[Step | Done[list[Image.Image]]]:
    """Draw the way from one picture to another; `prompts` say what they show."""

    def work(watch: Watch) -> list[Image.Image]:
        host = DemoHost(watch)
        model, given, other = prompted(host, model_name, *prompts)
        first, second = (convert.image([model.pipeline.fit(picture)]) for picture in pictures)
        shown = run_node(
            morph_node,
            host,
            model=model,
            first=first,
            second=second,
            first_conditioning=given,
            second_conditioning=other,
            frames=frames,
        )
        return convert.pictures(shown.outputs[0])

    yield from in_steps(work)


@dataclass(frozen=True)
class Patch:
    """A part of a picture's noise that is drawn anew.

    Attributes:
        cells: rows and columns of the flow's tokens.
        seed: of the fresh noise.
    """

    cells: tuple[tuple[int, int], ...]
    seed: int


@dataclass(frozen=True)
class Canvas:
    """A picture, and its noise.

    Attributes:
        picture: what the flow draws from the noise.
        noise: three channels of the noise as colours, a pixel for each place.
        rows, columns: of the cells, which are the flow's tokens.
    """

    picture: Image.Image
    noise: Image.Image
    rows: int
    columns: int


@accelerated
def canvas(
    picture: Image.Image, prompt: str, model_name: str, patches: Sequence[Patch]
) -> Iterator[Step | Done[Canvas]]:
    """Take a picture to noise, redraw patches of the noise one after the other, and draw the picture from it."""

    def work(watch: Watch) -> Canvas:
        host = DemoHost(watch)
        model, given, _ = prompted(host, model_name, prompt, "")
        fitted = model.pipeline.fit(picture)
        latent = one(encode, host, model=model, image=convert.image([fitted]))
        noise: Latent = one(invert, host, model=model, latent=latent, conditioning=given)
        z = _redrawn(model, convert.noise(model, noise), patches)
        again = one(sample, host, model=model, positive=given, noise=convert.noise_latent(model, z), **EXACT)
        drawn = convert.pictures(one(decode, host, model=model, latent=again))[0]
        return Canvas(drawn, _shown(z[0]), *model.pipeline.flow.grid(z))

    yield from in_steps(work)


def _redrawn(model: Model, z: torch.Tensor, patches: Sequence[Patch]) -> torch.Tensor:
    temperature = model.pipeline.temperature(Sampling())
    for patch in patches:
        fresh = temperature * seeded_noise(z.shape[1:], patch.seed, 1)
        z = patched(z, fresh, patch.cells, model.pipeline.flow.config.patch_size)
    return z


def _shown(z: torch.Tensor) -> Image.Image:
    """Three channels of noise (C, H, W) as colours: the middle grey is 0, black and white are three deviations away."""
    levels = ((z[:3] / 3 + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).numpy())
