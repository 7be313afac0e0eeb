"""Decoding a large latent in overlapping tiles whose seams fade into each other."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def blend_tiles(decode: Callable[[Tensor], Tensor], latents: Tensor, *, tile: int, factor: int) -> Tensor:
    """Decode latents (B, C, h, w) tile by tile to (B, C', factor·h, factor·w).

    Neighbouring tiles overlap by a quarter; in the overlap their weights rise and fall linearly, so that no seam shows.

    Args:
        decode: latents → images `factor` times their size.
        latents: what to decode.
        tile: latents a side of a tile, 4 or more.
        factor: pixels a latent.
    """
    if tile < 4:
        raise ValueError(f"tile is {tile}; it must be 4 or more.")
    h, w = latents.shape[-2:]
    total: Tensor | None = None
    weights = torch.zeros(h * factor, w * factor, dtype=torch.float32, device=latents.device)
    for top in starts(h, tile):
        for left in starts(w, tile):
            image = decode(latents[..., top : top + tile, left : left + tile])
            if total is None:
                total = image.new_zeros(*image.shape[:-2], h * factor, w * factor)
            window = _ramp(image.shape[-2], tile * factor)[:, None] * _ramp(image.shape[-1], tile * factor)
            window = window.to(image)
            area = (
                ...,
                slice(top * factor, top * factor + image.shape[-2]),
                slice(left * factor, left * factor + image.shape[-1]),
            )
            total[area] += image * window
            weights[area] += window
    assert total is not None
    return total / weights


def starts(length: int, tile: int) -> list[int]:
    """Where tiles begin so that they cover `length`, the last one ending with it."""
    if length <= tile:
        return [0]
    stride = tile - tile // 4
    return [*range(0, length - tile, stride), length - tile]


def _ramp(length: int, tile: int) -> Tensor:
    """Weights that rise from the edges over the overlap; positive everywhere."""
    distance = torch.arange(length, dtype=torch.float32) + 0.5
    distance = torch.minimum(distance, length - distance)
    return (distance / (tile // 4)).clamp(max=1)
