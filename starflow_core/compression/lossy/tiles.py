"""Latents to the tokens that are coded, and back: the flow's blocks but the last, tile by tile."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from ...flow.block import FlowBlock
from ...flow.flow import Flow
from ...flow.tokens import patchify, unpatchify

SETTLED = 1e-5  # change of a token at which an iteration ends


def split(latents: Tensor, side: int) -> Tensor:
    """Latents of a picture (C, h, w) to tiles (N, C, side, side), row by row."""
    return rearrange(latents, "c (r h) (k w) -> (r k) c h w", h=side, w=side)


def joined(tiles: Tensor, columns: int) -> Tensor:
    """The inverse of `split`, of a picture of so many tiles a row."""
    return rearrange(tiles, "(r k) c h w -> c (r h) (k w)", k=columns)


def to_tokens(flow: Flow, tiles: Tensor) -> Tensor:
    """Tiles (N, C, side, side) to what the flow's last block predicts: tokens (N, T, D) in raster order."""
    grid = flow.grid(tiles)
    tokens = patchify(tiles, flow.config)
    for block in flow.blocks[:-1]:
        z, _ = block(block.reorder(tokens), None, flow.rotary(block, grid, None), torch.float32)
        tokens = block.reorder(z)
    return tokens


def from_tokens(flow: Flow, tokens: Tensor, grid: tuple[int, int], iterations: int | None = None) -> Tensor:
    """The inverse of `to_tokens`, with gradients, by fixed-point iteration.

    Args:
        flow: whose blocks are inverted.
        tokens: (N, T, D).
        grid: rows and columns of a tile's tokens.
        iterations: of each block; None for as many as it takes to settle.
    """
    for block in reversed(list(flow.blocks[:-1])):
        tokens = block.reorder(_inverted(flow, block, block.reorder(tokens), grid, iterations))
    return unpatchify(tokens, grid, flow.config)


def _inverted(flow: Flow, block: FlowBlock, z: Tensor, grid: tuple[int, int], iterations: int | None) -> Tensor:
    """x with x = mean(x) + scale(x)·z; each iteration makes one more token exact, and most settle long before."""
    rotary, free, x = flow.rotary(block, grid, None), block.free_tokens, z
    for _ in range(z.shape[1] if iterations is None else iterations):
        mean, scale = block.affine(x, None, rotary, torch.float32)
        new = torch.cat([z[:, :free], mean + scale * z[:, free:]], dim=1)
        if iterations is None and float((new - x).abs().max()) < SETTLED:
            return new
        x = new
    return x
