"""Langevin steps through the data of a hole, each accepted or rejected by the exact density."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..flow.noise import NoiseStream
from .target import Density, Target

ACCEPTED = 0.574  # the share that is best in many dimensions (Roberts and Rosenthal, 1998)
ADAPTS = 0.5  # the share of steps in which the step's size changes; from then on the chain is exact
RATE = 0.1  # of that change


@dataclass(frozen=True)
class Walk:
    """Where a chain ended.

    Attributes:
        x: (1, C, H, W), with the noise of training.
        log_density: of the target there.
        accepted: the share of the steps that were accepted.
        step: the variance h of the last step's noise.
    """

    x: Tensor
    log_density: float
    accepted: float
    step: float


def walk(
    target: Target,
    x: Tensor,
    hole: Tensor,
    stream: NoiseStream,
    *,
    steps: int,
    step: float,
    report: Callable[[Tensor], None] = lambda x: None,
) -> Walk:
    """The Metropolis-adjusted Langevin algorithm (Roberts and Tweedie, 1996) over the data of a hole.

    x′ = x + h/2·∇ log p(x) + √h·ξ is accepted with the probability min(1, p(x′)·q(x|x′) / (p(x)·q(x′|x))), so the chain
    has the target, given the known places, as its law.

    Args:
        target: the density.
        x: (1, C, H, W), where to begin, with the noise of training.
        hole: (1, 1, H, W), true where x may change.
        stream: of the noise ξ.
        steps: how many.
        step: h, to begin with.
        report: called with x after every step; an exception that it raises ends the walk.
    """
    h, accepted, here = step, 0, _within(target(x), hole)
    for number in range(steps):
        noise = torch.where(hole, stream.normal().to(x), 0.0)
        there_x = x + h / 2 * here.gradient + math.sqrt(h) * noise
        there = _within(target(there_x), hole)
        back = torch.where(hole, x - there_x - h / 2 * there.gradient, 0.0)
        gain = float(there.log - here.log - back.square().sum() / (2 * h) + noise.square().sum() / 2)
        chance = math.exp(min(0.0, gain)) if math.isfinite(gain) else 0.0
        if stream.uniform() < chance:
            x, here, accepted = there_x, there, accepted + 1
        if number < ADAPTS * steps:
            h *= math.exp(RATE * (chance - ACCEPTED))
        report(x)
    return Walk(x, float(here.log), accepted / steps if steps else math.nan, h)


def _within(density: Density, hole: Tensor) -> Density:
    return Density(density.log, torch.where(hole, density.gradient, 0.0))
