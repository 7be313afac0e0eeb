"""A fill pasted into its picture: known pixels stay as they were, and no edge shows."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .smooth import smoothly_filled


def without_seam(fill: Tensor, known: Tensor, hole: Tensor, feather: int) -> Tensor:
    """A fill (1, 3, H, W) that meets the known pixels at the hole's edge.

    The difference at the edge, between the known pixels and what the model made of them, is continued smoothly into
    the hole, and fades within `feather` pixels of the edge. Nothing of what the hole held before comes through.

    Args:
        fill: the whole picture that the model made, in [−1, 1].
        known: the picture, of which the places outside the hole count.
        hole: (1, 1, H, W), true where the fill goes.
        feather: width of the fade, in pixels; 0 for none.
    """
    if feather < 1:
        return torch.where(hole, fill, known)
    difference = smoothly_filled(torch.where(hole, 0.0, known - fill), hole)
    return torch.where(hole, (fill + fading(hole, feather) * difference).clamp(-1, 1), known)


def fading(hole: Tensor, feather: int) -> Tensor:
    """Weights (1, 1, H, W) that fall from 1 at the hole's edge to 0 at `feather` pixels inside it, as a cosine."""
    inside, depth = hole.float(), torch.zeros(hole.shape, device=hole.device)
    for _ in range(feather + 1):
        depth = depth + inside
        # The border of the picture is no edge of the hole: there is nothing to meet beyond it.
        padded = F.pad(inside, (1, 1, 1, 1), mode="replicate")
        inside = -F.max_pool2d(-padded, 3, stride=1)
    return torch.where(hole, (1 + torch.cos(torch.pi * (depth - 1).clamp(min=0) / feather)) / 2, 0.0)


def pasted(picture: np.ndarray, fill: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) with a fill of the same size in its hole (H, W); other pixels are those of the picture."""
    return np.where(hole[..., None], fill, picture)
