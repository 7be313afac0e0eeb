"""How sure a model is of a picture, and where: the scales that the flow predicts, before it sees what is there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..flow.flow import Flow
from ..flow.noise import SEEDS, check_seed
from ..flow.tokens import Grid
from ..progress import OnProgress
from .likelihood import DRAW_BATCH, with_training_noise

LEAST_NOISE = 0.01  # in units of the data; below this, a model knows a place for certain


@dataclass(frozen=True)
class Confidence:
    """How sure a model is of one picture.

    Every block predicts a token from those before it: x = mean + scale·z, with z ~ N(0, 1). The scale is the error that
    it expects, before it sees the token. The noise of a place comes through all blocks, so the volume that it fills is
    the product of their scales, however they share the work. The map has the logarithm of this product, as the mean
    over the D dimensions of a token, with the sign changed. It is the log-determinant of the place divided by D, and,
    up to a constant, the negative entropy that the model gives the place. What is left out of the likelihood is
    −‖z‖²/2, which says how far the picture is from what was expected.

    Attributes:
        score: the mean of the map, in nats by dimension; larger is surer. exp(−score) is the deviation that the model
            expects, in units of the data, as a geometric mean.
        map: (H/p, W/p), in nats by dimension; larger is surer.
        by_block: (blocks, H/p, W/p), from data to noise, whose sum is the map; the last has the prior's part, too.
        bounds: confidence of a model that knows nothing, and of one that knows all; see the function `bounds`.
    """

    score: float
    map: Tensor
    by_block: Tensor
    bounds: tuple[float, float]

    @property
    def expected_error(self) -> Tensor:
        """(H/p, W/p), the deviation that the model expects of each token, in units of the data: exp(−map)."""
        return (-self.map).exp()


@torch.no_grad()
def confidence(
    flow: Flow,
    x: Tensor,
    condition: Tensor | None,
    *,
    draws: int = 4,
    seed: int = 0,
    on_progress: OnProgress = lambda done, total: None,
) -> Confidence:
    """How sure a model is of one picture or its latents, with noise as in training.

    Args:
        flow: the model.
        x: (C, H, W), without noise: scaled latents, or a picture in [−1, 1].
        condition: (1, …) as for the flow: features of the prompt, or a label; None for a model without either.
        draws: the number K of noise draws, over which the map is averaged.
        seed: the seed of the first draw; draw i has seed + i.
        on_progress: called with the number of finished draws, and K; an exception that it raises ends the work.

    Raises:
        ValueError: a shape does not fit the model, or numbers overflow.
    """
    check_seed(seed)
    grid = flow.grid(x[None])
    total = torch.zeros(len(flow.blocks), *grid)
    for first in range(0, draws, DRAW_BATCH):
        noised = with_training_noise(flow, x, (seed + first) % SEEDS, min(DRAW_BATCH, draws - first))
        given = None if condition is None else condition.expand(len(noised), *condition.shape[1:])
        log_dets = torch.stack([output.log_det for output in flow.transform(noised, given)])  # (blocks, K, T)
        total += log_dets.sum(1).unflatten(1, grid).cpu()
        on_progress(first + len(noised), draws)
    by_block = total / (draws * (x.numel() // math.prod(grid)))
    by_block[-1] -= _prior(flow, grid)
    if not by_block.isfinite().all():
        raise ValueError(f"The confidence overflows: these {flow.data} are too unlike those that the model knows.")
    found = by_block.sum(0)
    return Confidence(float(found.mean()), found, by_block, bounds(flow))


def _prior(flow: Flow, grid: Grid) -> Tensor:
    """The mean logarithm of the prior's deviation by token (H/p, W/p), which only a volume-preserving flow learns."""
    deviation = flow.prior_std.log().cpu()
    return deviation.mean(-1).unflatten(0, grid) if deviation.ndim else deviation.expand(grid)


def bounds(flow: Flow) -> tuple[float, float]:
    """Confidence, in nats by dimension, of a model that knows nothing of a place, and of one that knows all of it.

    Who knows nothing expects the deviation of the data, which is about 1. Who knows all but the noise of training
    expects the deviation of that noise: σ, or for uniform noise within 8-bit steps that of a Gaussian of the same
    entropy.
    """
    if flow.is_dequantized:
        return 0.0, math.log(flow.levels * math.sqrt(2 * math.pi * math.e))
    return 0.0, -math.log(max(flow.config.noise_std, LEAST_NOISE))


def doubt(found: Tensor, flow: Flow) -> Tensor:
    """How unsure the model is of each place, from 0 where it knows all to 1 where it knows nothing; see `bounds`.

    Args:
        found: (…), confidence in nats by dimension.
        flow: the model that is so sure.
    """
    nothing, everything = bounds(flow)
    return ((everything - found) / (everything - nothing)).clamp(0, 1)
