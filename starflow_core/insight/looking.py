"""What a flow, and simple statistics of the pixels, make of pictures: the evidence for whether they are odd."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from ..flow.flow import Flow, FlowOutput
from ..flow.noise import SEEDS
from .likelihood import with_training_noise
from .noise_statistics import mean_squares, noise_statistics
from .oddity import Settings
from .picture_statistics import colours_and_edges, pixels_of, seams
from .scoring import at_once
from .tiles import Tiles

if TYPE_CHECKING:
    from ..pipeline import Pipeline

NOISE, CONTENT, COLOURS, SEAMS, UPRIGHT = "noise", "noise and content", "colours and edges", "seams", "upright"
KINDS = (NOISE, CONTENT, COLOURS, SEAMS, UPRIGHT)  # of evidence


class Seen(NamedTuple):
    """What the flow makes of N tiles, averaged over noise draws.

    Attributes:
        vectors: (N, F) float64, by kind of evidence; tile by tile, noise and content alone.
        squares: (N, h, w), mean squares of the noise by place.
        log_probs: (N, h, w), in nats by token.
    """

    vectors: dict[str, Tensor]
    squares: Tensor
    log_probs: Tensor


def lengths(flow: Flow) -> dict[str, int]:
    """The lengths of the vectors, by kind of evidence."""
    config = flow.config
    noise = 4 * config.in_channels + config.trained_side**2 + 1
    return {NOISE: noise, CONTENT: noise + config.block(config.num_blocks - 1).width, COLOURS: 18, SEAMS: 1, UPRIGHT: 1}


@torch.no_grad()
def seen_together(
    pipeline: Pipeline, tiles: Sequence[Tiles], settings: Settings, condition: Tensor | None
) -> list[Seen]:
    """Run the flow on the tiles of pictures, a few at a time; average the results over the noise draws."""
    counts = [len(one) for one in tiles]
    some = tiles_at_once(pipeline.flow, sum(counts), settings.draws)
    every = itertools.chain.from_iterable(tiles)
    found: list[Seen] = []
    while part := list(itertools.islice(every, some)):
        found.append(looked(pipeline, part, settings, condition))
    names = list(found[0].vectors)
    vectors = {name: torch.cat([one.vectors[name] for one in found]).split(counts) for name in names}
    squares_of, log_probs = (torch.cat(one).split(counts) for one in zip(*(one[1:] for one in found), strict=True))
    return [Seen({name: vectors[name][i] for name in names}, squares_of[i], log_probs[i]) for i in range(len(tiles))]


@torch.no_grad()
def looked(pipeline: Pipeline, images: Sequence[Image.Image], settings: Settings, condition: Tensor | None) -> Seen:
    """Run the flow on a few tiles, and on the same upside down; of a picture in tiles, only what `Inspection` takes."""
    patch = pipeline.flow.config.patch_size
    states: list[Tensor] = []
    output = _flowed(pipeline, images, settings, condition, states)
    z = output.z.cpu()
    noise, shown = noise_statistics(z, patch), content(states)

    def over_draws(values: Tensor) -> Tensor:
        return values.unflatten(0, (len(images), settings.draws)).mean(1)

    vectors = {CONTENT: over_draws(torch.cat([noise, shown], 1))}
    if not settings.tiled:
        turned = [image.transpose(Image.Transpose.FLIP_TOP_BOTTOM) for image in images]
        upright = (output.log_prob - _flowed(pipeline, turned, settings, condition).log_prob).double().cpu()
        pixels = pixels_of(images)
        vectors |= {
            NOISE: over_draws(noise),
            COLOURS: colours_and_edges(pixels),
            SEAMS: seams(pixels),
            UPRIGHT: over_draws(upright)[:, None],
        }
    log_probs = output.log_prob_map.double().cpu()
    return Seen(vectors, over_draws(mean_squares(z.double(), patch)), over_draws(log_probs))


def _flowed(
    pipeline: Pipeline,
    images: Sequence[Image.Image],
    settings: Settings,
    condition: Tensor | None,
    states: list[Tensor] | None = None,
) -> FlowOutput:
    """The flow's results for each picture and noise draw."""
    x = pipeline.encode_all(images)
    noised = torch.cat([with_training_noise(pipeline.flow, one, settings.seed % SEEDS, settings.draws) for one in x])
    given = None if condition is None else condition.expand(len(noised), *condition.shape[1:])
    return pipeline.flow(noised, given, states=states)


def content(states: Sequence[Tensor]) -> Tensor:
    """What each datum shows, to the flow, (B, width) float64: the mean hidden state of its last block's middle layer.

    The last layer's serve the prediction of the next token, and tell less.
    """
    return states[(len(states) - 1) // 2].mean(1).double().cpu()


def tiles_at_once(flow: Flow, number: int, draws: int) -> int:
    """How many of `number` tiles the flow takes together, each with some noise draws."""
    side = flow.config.trained_side
    return max(1, at_once((side, side), number * draws) // draws)
