"""Holes in a flow's data, filled: by the plain iteration, then by steps through the density."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ..codecs.dequantization import requantized
from ..flow.noise import NoiseStream
from ..insight.likelihood import denoise, with_training_noise
from ..samplers import Progress, ProgressCallback, Sampler
from .exchange import exchanged
from .jumps import jumped
from .langevin import walk
from .settings import Filling
from .smooth import smoothly_filled
from .target import Target

FIRST_STEP = 2.0  # of σ²·T·d^(−1/3), which suits a Gaussian of d dimensions; the walk adapts it
LEAST_NOISE = 0.004  # σ of a flow without Gaussian noise: half an 8-bit step
TICKS = 100  # of progress, by round or step


@dataclass(frozen=True)
class Hole:
    """A flow's data with a hole.

    Attributes:
        known: (1, C, H, W), without noise; in the hole, where to begin.
        mask: (1, 1, H, W), true in the hole.
        refreshed: gives the known data anew when the hole has been filled, for an autoencoder, which lets what is in
            the hole into the data around it; None where known data do not depend on the hole.
    """

    known: Tensor
    mask: Tensor
    refreshed: Callable[[Tensor], Tensor] | None = None

    @classmethod
    def in_data(cls, x: Tensor, mask: Tensor) -> Hole:
        """A hole in data (1, C, H, W) that nothing else is known of, begun with a smooth continuation.

        Raises:
            ValueError: the mask covers everything, or nothing.
        """
        check_cells(mask)
        return cls(smoothly_filled(x, mask), mask)


@dataclass(frozen=True)
class Filled:
    """A hole's fill.

    Attributes:
        x: (1, C, H, W), without noise; the known places are those of the hole, refreshed.
        residual: relative L2 change of the hole's data in the last part of the work: in the Langevin steps, or in the
            last round where there are none. It says how far the fill is from settled.
        accepted: the share of the Langevin steps that were accepted; NaN without any.
    """

    x: Tensor
    residual: float
    accepted: float


def check_cells(mask: Tensor) -> None:
    """Check the hole in a flow's data.

    Raises:
        ValueError: it covers everything, or nothing.
    """
    if not mask.any():
        raise ValueError("The mask is empty, so there is nothing to draw anew; mask some places.")
    if mask.all():
        raise ValueError(
            "The mask touches every place that the model tells apart, so there is nothing to go by; mask less."
        )


def filled(
    target: Target,
    hole: Hole,
    seed: int,
    filling: Filling,
    sampler: Sampler,
    progress: ProgressCallback | None = None,
) -> Filled:
    """One fill of a hole.

    Args:
        target: the density to draw from; its guidance and temperature count, those of `filling` do not.
        hole: what is known.
        seed: of the fill; that of `filling` does not count.
        filling: the settings.
        sampler: how the flow is inverted.
        progress: called after every step; an exception that it raises ends the work.

    Raises:
        ValueError: a shape does not fit the model, or numbers overflow.
    """
    flow = target.flow
    hole = replace(hole, known=hole.known.to(flow.device), mask=hole.mask.to(flow.device))
    ticks = _Ticks(progress, filling.rounds + filling.steps)
    stream = NoiseStream(hole.known.shape[1:], seed)
    stream.normal()  # which the data get as noise of training, at places that are known and at others
    noise = math.sqrt(target.temperature) * stream.normal()  # the same in all rounds, so that they settle
    clean, x = hole.known, with_training_noise(flow, hole.known[0], seed, 1)
    before, accepted = clean, math.nan
    noise_std = max(flow.config.noise_std, LEAST_NOISE)
    for part in _parts(filling):
        before = clean
        if part.kind == "round":
            x = exchanged(flow, x, hole.mask, noise, target.condition, sampler=sampler, progress=ticks.round())
        elif part.kind == "jumps":
            x = jumped(target, x, hole.mask, stream, steps=part.number, noise_std=noise_std, report=ticks.step)
        else:
            step = _first_step(target, hole)
            found = walk(target, x, hole.mask, stream, steps=part.number, step=step, report=ticks.step)
            x, accepted = found.x, found.accepted
        clean = _clean(target, x, hole)
        if hole.refreshed is not None:
            hole = replace(hole, known=hole.refreshed(clean).to(flow.device))
            clean = torch.where(hole.mask, clean, hole.known)
            x = torch.where(hole.mask, x, with_training_noise(flow, hole.known[0], seed, 1))
    if not bool(clean.isfinite().all()):
        raise ValueError("Numbers grew beyond bounds; lower the guidance or the temperature, or choose another seed.")
    return Filled(clean, _change(before, clean, hole.mask), accepted)


class _Part(NamedTuple):
    """Work after which the known data are refreshed."""

    kind: Literal["round", "jumps", "walk"]
    number: int = 1


def _parts(filling: Filling) -> list[_Part]:
    """The rounds, the first half of the steps in two parts, and the second half; those that are not empty."""
    walked = filling.steps // 2
    jumps = filling.steps - walked
    parts = [_Part("jumps", jumps - jumps // 2), _Part("jumps", jumps // 2), _Part("walk", walked)]
    return [_Part("round")] * filling.rounds + [part for part in parts if part.number]


def _first_step(target: Target, hole: Hole) -> float:
    """The variance h of the first Langevin step's noise."""
    dimensions = int(hole.mask.sum()) * hole.known.shape[1]
    variance = max(target.flow.config.noise_std, LEAST_NOISE) ** 2 * target.temperature
    return FIRST_STEP * variance * dimensions ** (-1 / 3)


def _clean(target: Target, x: Tensor, hole: Hole) -> Tensor:
    """The data without noise (1, C, H, W), the known ones in their places."""
    flow = target.flow
    if flow.config.noise_std:
        x = denoise(flow, x, target.condition)
    elif flow.is_dequantized:
        x = requantized(x)
    return torch.where(hole.mask, x, hole.known)


def _change(before: Tensor, after: Tensor, mask: Tensor) -> float:
    """Relative L2 change of the data in a hole."""
    before, after = (torch.where(mask, one, 0.0) for one in (before, after))
    return float((after - before).norm() / after.norm().clamp(min=1e-12))


class _Ticks:
    """Reports progress over rounds and steps."""

    def __init__(self, progress: ProgressCallback | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def round(self) -> ProgressCallback | None:
        """The callback of the next round, which moves on as the data are drawn."""
        self._done += 1
        return None if self._progress is None else partial(self._within_round, self._done - 1)

    def step(self, x: Tensor) -> None:
        self._done += 1
        self._tell(self._done * TICKS, lambda: x)

    def _within_round(self, before: int, inner: Progress) -> None:
        self._tell(int(TICKS * (before + inner.done / inner.total)), inner.partial)

    def _tell(self, done: int, now: Callable[[], Tensor]) -> None:
        if self._progress is not None:
            self._progress(Progress(done, self._total * TICKS, now))
