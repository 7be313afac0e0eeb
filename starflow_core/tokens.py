"""Latents as sequences of tokens, and back."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor


def patchify(x: Tensor, patch_size: int) -> Tensor:
    """x (B, C, H, W) → tokens (B, T, D) in raster order, channels last inside a token."""
    return rearrange(x, "b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size)


def unpatchify(tokens: Tensor, grid: tuple[int, int], patch_size: int) -> Tensor:
    """Tokens (B, T, D) of a token grid (H', W') → (B, C, H, W); the inverse of `patchify`."""
    return rearrange(
        tokens, "b (h w) (p1 p2 c) -> b c (h p1) (w p2)", h=grid[0], w=grid[1], p1=patch_size, p2=patch_size
    )
