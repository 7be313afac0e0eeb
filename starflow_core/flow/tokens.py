"""Latents or pictures as sequences of tokens, and back."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor

from .config import AnyFlowConfig


def patchify(x: Tensor, config: AnyFlowConfig) -> Tensor:
    """x (B, C, H, W) → tokens (B, T, D) in raster order, each laid out as the configuration says."""
    inside = "p1 p2 c" if config.channels_last else "c p1 p2"
    p = config.patch_size
    return rearrange(x, f"b c (h p1) (w p2) -> b (h w) ({inside})", p1=p, p2=p)


def unpatchify(tokens: Tensor, grid: tuple[int, int], config: AnyFlowConfig) -> Tensor:
    """Tokens (B, T, D) of a token grid (H', W') → (B, C, H, W); the inverse of `patchify`."""
    inside = "p1 p2 c" if config.channels_last else "c p1 p2"
    p = config.patch_size
    return rearrange(tokens, f"b (h w) ({inside}) -> b c (h p1) (w p2)", h=grid[0], w=grid[1], p1=p, p2=p)
