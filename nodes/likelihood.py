"""STARFlow Likelihood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from PIL import Image as Picture

from starflow_core.images import middle_box
from starflow_core.insight.heatmap import STOPS, heatmap, value_range
from starflow_core.insight.likelihood import DRAW_BATCH, Likelihood, score
from starflow_core.insight.oddness import oddness
from starflow_core.memory import forward_memory

from . import convert
from .declaration import CONDITIONING, FLOAT, IMAGE, LATENT, MASK, MODEL, Number, Output, Seed, Shown, Socket, node
from .host import Host
from .pictures import PIXEL_MEMORY, encoded
from .values import Conditioning, Image, Latent, Mask, Model


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
    "likelier the place. The mask shows where a picture is odd.",
    outputs=(
        Output("log_prob", FLOAT, "in nats; of several pictures, the mean"),
        Output("bits_per_dim", FLOAT, "fewer are likelier; of several pictures, the mean"),
        Output(
            "heatmap", IMAGE, "log-probability by place, of the picture's size; a batch shares one scale of colours"
        ),
        Output("mask", MASK, "1 where the model finds the picture odd, 0 where it does not; of the picture's size"),
        Output("log_prob_each", FLOAT, "in nats, a list: one for each picture", is_list=True),
        Output("bits_per_dim_each", FLOAT, "a list: one for each picture", is_list=True),
    ),
    category="insight",
    aliases=(
        *("log likelihood", "log probability", "probability", "bits per dimension", "bits/dim", "nats", "heatmap"),
        *("anomaly detection", "out of distribution", "novelty", "surprise", "density", "score", "normalizing flow"),
    ),
    essentials="Image Tools",
    shows=True,
)
def likelihood(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    image: Annotated[Image | None, Socket("a picture; or a latent instead", IMAGE)] = None,
    latent: Annotated[Latent | None, Socket("from STARFlow Encode; or an image instead", LATENT)] = None,
    conditioning: Annotated[Conditioning | None, Socket("what the picture is thought to show", CONDITIONING)] = None,
    draws: Annotated[int, Number("noise draws that are averaged over", 1, 256, 1)] = 4,
    seed: Annotated[int, Seed("of the noise draws; it stays, so that figures compare", stays=True)] = 0,
) -> Shown:
    x = data_of(host, model, image, latent)
    pipeline = model.pipeline
    flow = pipeline.flow
    given = convert.condition(model, conditioning, 1)
    with host.in_memory(model.flow, forward_memory(flow, min(draws, DRAW_BATCH), flow.grid(x), given)):
        scores = [score(flow, one, given, draws=draws, seed=seed) for one in x]
    with host.in_memory(model.autoencoder, x.shape[-1] * x.shape[-2] * pipeline.factor**2 * PIXEL_MEMORY):
        pictures = pipeline.decode(x)
    seen = Seen.of(model, image, pictures[0].size)
    log_probs, bits = [found.log_prob for found in scores], [found.bits_per_dim for found in scores]
    outputs = (
        sum(log_probs) / len(scores),
        sum(bits) / len(scores),
        seen.heatmaps([found.map for found in scores]),
        seen.mask(torch.stack([oddness(found.noise_map, x[0].numel() // found.map.numel()) for found in scores])),
        log_probs,
        bits,
    )
    return Shown(outputs, [Scored(picture, found) for picture, found in zip(pictures, scores, strict=True)])


@dataclass(frozen=True)
class Seen:
    """Which part of pictures of a size a model looks at.

    Attributes:
        size: width and height of the pictures, in pixels.
        box: left, top, right and bottom of that part.
    """

    size: tuple[int, int]
    box: tuple[int, int, int, int]

    @classmethod
    def of(cls, model: Model, image: Image | None, size: tuple[int, int]) -> Seen:
        """Of an IMAGE; of a latent, which is looked at whole, `size` is that of its picture."""
        if image is None:
            return cls(size, (0, 0, *size))
        size = (image.shape[2], image.shape[1])
        return cls(size, middle_box(size) if model.pipeline.flow.has_fixed_size else (0, 0, *size))

    def heatmaps(self, maps: Sequence[torch.Tensor]) -> Image:
        """Maps (H', W') in nats by token as an IMAGE, their common range spread over the colours; unseen is black."""
        left, top, right, bottom = self.box
        between = value_range(maps)
        image = torch.zeros(len(maps), self.size[1], self.size[0], 3)
        size = (right - left, bottom - top)
        image[:, top:bottom, left:right] = convert.image([heatmap(one, size, between) for one in maps])
        return image

    def mask(self, maps: torch.Tensor) -> Mask:
        """Maps (B, H', W') in [0, 1] as a MASK; unseen is 0."""
        left, top, right, bottom = self.box
        mask = torch.zeros(len(maps), self.size[1], self.size[0])
        mask[:, top:bottom, left:right] = convert.mask(maps, (right - left, bottom - top))
        return mask


def data_of(host: Host, model: Model, image: Image | None, latent: Latent | None) -> torch.Tensor:
    """Data of the flow (B, C, H, W), from a picture or a latent.

    Raises:
        ValueError: there is neither, or both.
    """
    if latent is not None and image is None:
        return convert.data(model, latent)
    if image is not None and latent is None:
        return encoded(host, model, image)
    raise ValueError("Connect an image or a latent, and not both.")
