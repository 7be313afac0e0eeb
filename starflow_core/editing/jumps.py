"""Large steps through the data of a hole: denoised, and noised again."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..flow.noise import NoiseStream
from .target import Target


def jumped(
    target: Target,
    x: Tensor,
    hole: Tensor,
    stream: NoiseStream,
    *,
    steps: int,
    noise_std: float,
    report: Callable[[Tensor], None] = lambda x: None,
) -> Tensor:
    """Data after some steps, each of which takes the noise off a hole and puts fresh noise in.

    x′ = x + σ²·∇ log p(x) + σ·√T·ξ: Tweedie's formula, which gives the mean of the data without noise, then noise. A
    step goes as far as some twenty accepted Langevin steps, and near the law that they have, but is not corrected for
    its length: it settles a hole, and does not sample the density exactly.

    Args:
        target: the density; ∇ log p is that of its guided p, and T its temperature.
        x: (1, C, H, W), where to begin, with the noise of training.
        hole: (1, 1, H, W), true where x may change.
        stream: of the noise ξ.
        steps: how many.
        noise_std: σ, of the noise of training.
        report: called with x after every step; an exception that it raises ends the work.
    """
    T = target.temperature
    for _ in range(steps):
        mean = x + noise_std**2 * T * target(x).gradient  # the target's gradient is divided by T
        x = torch.where(hole, mean + math.sqrt(T) * noise_std * stream.normal().to(x), x)
        report(x)
    return x
