"""STARFlow Likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from PIL import Image as Picture

from starflow_core.insight.heatmap import STOPS, heatmap
from starflow_core.insight.likelihood import DRAW_BATCH, Likelihood, score
from starflow_core.memory import forward_memory
from starflow_core.progress import part_of

from . import conditions, convert
from .declaration import CONDITIONING, FLOAT, IMAGE, LATENT, MASK, MODEL, Number, Output, Seed, Shown, Socket, node
from .host import Host
from .pictures import decoded, encoded
from .values import Conditioning, Image, Latent, Model


@dataclass(frozen=True)
class Scored:
    """A picture as the model sees it, with its likelihood."""

    picture: Picture.Image
    likelihood: Likelihood

    def described(self) -> dict[str, Any]:
        """For `web/likelihood_view.js`, as JSON has it: all but the picture."""
        found = self.likelihood
        return {
            "log_prob": found.log_prob,
            "bits_per_dim": found.bits_per_dim,
            "standard_error": None if math.isnan(found.standard_error) else found.standard_error,
            "map": [[round(value, 3) for value in row] for row in found.map.tolist()],
            "stops": STOPS,
        }


@node(
    "STARFlowLikelihood",
    "STARFlow Likelihood",
    "How likely a model finds a picture, in nats and in bits per dimension, and where: the brighter the heatmap, the "
    "likelier the place.",
    outputs=(
        Output("log_prob", FLOAT, "in nats; of several pictures, the mean"),
        Output("bits_per_dim", FLOAT, "fewer are likelier"),
        Output("heatmap", IMAGE, "log-probability by place, of the size of the picture"),
        Output("mask", MASK, "1 where the picture is least likely, 0 where it is most"),
    ),
    shows=True,
)
def likelihood(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    image: Annotated[Image | None, Socket("a picture; or a latent instead", IMAGE)] = None,
    latent: Annotated[Latent | None, Socket("from STARFlow Encode; or an image instead", LATENT)] = None,
    conditioning: Annotated[Conditioning | None, Socket("what the picture is thought to show", CONDITIONING)] = None,
    draws: Annotated[int, Number("noise draws that are averaged over", 1, 256, 1)] = 4,
    seed: Annotated[int, Seed("of the noise draws")] = 0,
) -> Shown:
    x = data_of(host, model, image, latent)
    pipeline = model.pipeline
    flow = pipeline.flow
    given = conditions.condition(host, model, conditioning, 1)
    report, total = host.steps(), len(x) * draws
    with host.in_memory(model.flow, forward_memory(flow, min(draws, DRAW_BATCH), flow.grid(x), given)):
        scores = [
            score(flow, one, given, draws=draws, seed=seed, on_progress=part_of(report, i * draws, total))
            for i, one in enumerate(x)
        ]
    size = (x.shape[-1] * pipeline.factor, x.shape[-2] * pipeline.factor)
    outputs = (
        sum(found.log_prob for found in scores) / len(scores),
        sum(found.bits_per_dim for found in scores) / len(scores),
        convert.image([heatmap(found.map, size) for found in scores]),
        convert.mask(torch.stack([found.map for found in scores]), size),
    )
    pictures = decoded(host, model, x)
    return Shown(outputs, [Scored(picture, found) for picture, found in zip(pictures, scores, strict=True)])


def data_of(host: Host, model: Model, image: Image | None, latent: Latent | None) -> torch.Tensor:
    """Data of the flow (B, C, H, W), from a picture or a latent.

    Raises:
        ValueError: there is neither, or both.
    """
    if latent is not None and image is None:
        return convert.unmasked(model, latent)
    if image is not None and latent is None:
        return encoded(host, model, image)
    raise ValueError("Connect an image or a latent, and not both.")
