"""Noise and conditions between two pictures."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_ANGLE = 1e-3  # radians; below it, an arc and its chord are the same in float32


def spherical(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Noise between two noises, along the arc of a sphere (arXiv 1609.04468).

    Most of a normal distribution of many dimensions lies near a sphere; a straight line leaves it. The length goes
    linearly from one to the other.

    Args:
        first: noise of one picture (C, H, W).
        second: noise of the other, of the same shape.
        share: of the second, from 0 to 1; at both ends the noise is returned as it is.

    Returns:
        (C, H, W).
    """
    if share in (0, 1):
        return second if share else first
    lengths = first.norm(), second.norm()
    cosine = (first * second).sum() / (lengths[0] * lengths[1])
    angle = torch.arccos(cosine.clamp(-1, 1))
    if not LEAST_ANGLE < angle < torch.pi - LEAST_ANGLE:  # or one of them has no length, and the angle is not a number
        return (1 - share) * first + share * second
    length = (1 - share) * lengths[0] + share * lengths[1]
    direction = torch.sin((1 - share) * angle) * first / lengths[0] + torch.sin(share * angle) * second / lengths[1]
    return length * direction / torch.sin(angle)


def condition_between(first: Tensor | None, second: Tensor | None, share: float) -> Tensor | None:
    """The condition between two, (1, …): features of prompts in proportion; of classes, the nearer one."""
    if first is None or second is None:
        return first
    if not first.is_floating_point():
        return second if share > 0.5 else first
    return first if share == 0 else second if share == 1 else (1 - share) * first + share * second
