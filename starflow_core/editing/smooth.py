"""Places filled smoothly from around them: the solution of Laplace's equation, from coarse to fine."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SWEEPS = 30  # at each size; the next coarser size has already brought what lies far away
COARSEST = 8  # side, below which the mean is a good enough start


def smoothly_filled(x: Tensor, hole: Tensor) -> Tensor:
    """Values (B, C, H, W) whose hole is a smooth continuation of what is known around it.

    Every place of the hole becomes about the mean of its four neighbours. What was in the hole has no influence.

    Args:
        x: (B, C, H, W).
        hole: (B or 1, 1, H, W), true where the values are unknown; not everywhere.
    """
    hole = hole.expand(len(x), 1, *x.shape[2:])
    known = (~hole).to(x)
    x = torch.where(hole, _guess(x * known, known), x)
    for _ in range(SWEEPS):
        x = torch.where(hole, _mean_of_neighbours(x), x)
    return x


def _guess(x: Tensor, known: Tensor) -> Tensor:
    """The solution at half the size, enlarged; at the coarsest size the mean of what is known."""
    if min(x.shape[2:]) <= COARSEST:
        total = known.sum((2, 3), keepdim=True).clamp(min=1)
        return (x.sum((2, 3), keepdim=True) / total).expand_as(x)
    share = F.avg_pool2d(known, 2, ceil_mode=True)
    half = F.avg_pool2d(x, 2, ceil_mode=True) / share.clamp(min=1e-6)
    filled = smoothly_filled(half, share == 0)
    return F.interpolate(filled, size=x.shape[2:], mode="bilinear", align_corners=False)


def _mean_of_neighbours(x: Tensor) -> Tensor:
    around = F.pad(x, (1, 1, 1, 1), mode="replicate")
    across = around[:, :, 1:-1, :-2] + around[:, :, 1:-1, 2:]
    return (across + around[:, :, :-2, 1:-1] + around[:, :, 2:, 1:-1]) / 4
