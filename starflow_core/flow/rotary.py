"""Rotary positions over a token grid of two or three axes with a text prefix (RoFormer, arXiv 2104.09864)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from .config import StarFlowConfig
from .tokens import Grid

TEXT_ANGLES = 8
BASE = 10_000.0
TABLES = 4  # that are kept: blocks with and without text, and drafts


@dataclass(frozen=True)
class Rotary:
    """Cosines and signed sines of every position, (positions, 3, 1, head_dim), for `rotate`.

    The axis of three holds queries, keys and values. They are rotated together, the values by an angle of zero,
    which is cheaper than splitting them. Each angle appears twice, for the two neighbouring features that it rotates;
    the sine of the first is negated.
    """

    cos: Tensor
    sin: Tensor

    def __getitem__(self, positions: slice) -> Rotary:
        return Rotary(self.cos[positions], self.sin[positions])

    def __len__(self) -> int:
        return self.cos.shape[0]

    def to(self, dtype: torch.dtype) -> Rotary:
        return Rotary(self.cos.to(dtype), self.sin.to(dtype))

    def rotate(self, qkv: Tensor) -> Tensor:
        """Rotate the queries and keys in (B, N, 3, heads, head_dim) by the angles of N positions; values stay.

        (x0, x1) → (x0 cos − x1 sin, x1 cos + x0 sin).
        """
        swapped = qkv.unflatten(-1, (qkv.shape[-1] // 2, 2)).flip(-1).view(qkv.shape)
        return torch.addcmul(qkv * self.cos, swapped, self.sin)


@lru_cache(maxsize=TABLES)
@torch.inference_mode(False)  # a table may serve a gradient later
def rotary_table(
    config: StarFlowConfig, grid: Grid, text_tokens: int, *, device: torch.device, dtype: torch.dtype
) -> Rotary:
    """The rotary table of `text_tokens` text positions followed by those of the grid's tokens in raster order.

    Rows and columns are rescaled: any grid covers the area of the trained one. Frames are not; the text lies on their
    axis. The last few tables are kept, so that blocks and calls share them.

    Args:
        config: of the flow.
        grid: (H', W') or (T, H', W') of the token grid.
        text_tokens: length L of the text prefix; 0 for a block without text.
        device: of the table.
        dtype: of the table.
    """
    *video, rows, columns = grid
    frames = math.prod(video)
    scale = config.trained_side / math.sqrt(rows * columns)
    row = (torch.arange(rows, dtype=torch.float32).repeat_interleave(columns) * scale).repeat(frames)
    column = (torch.arange(columns, dtype=torch.float32) * scale).repeat(frames * rows)
    text = torch.arange(text_tokens, dtype=torch.float32) / max(text_tokens, 1) * config.trained_side

    angles = config.head_dim // 2
    spatial = angles - TEXT_ANGLES if config.has_text else angles
    frequencies = BASE ** (-2 * torch.arange(spatial // 2, dtype=torch.float32) / spatial)
    parts = [
        _with_prefix(row, text_tokens)[:, None] * frequencies,
        _with_prefix(column, text_tokens)[:, None] * frequencies,
    ]
    if config.has_text:
        text_frequencies = BASE ** (-torch.arange(TEXT_ANGLES, dtype=torch.float32) / TEXT_ANGLES)
        frame = torch.arange(frames, dtype=torch.float32).repeat_interleave(rows * columns)
        time = torch.cat([text, frame])
        parts.append(time[:, None] * text_frequencies)

    angle = torch.cat(parts, dim=-1)  # (L + N, head_dim / 2)
    cos = angle.cos().repeat_interleave(2, dim=-1)
    sin = torch.stack([-angle.sin(), angle.sin()], dim=-1).flatten(-2)
    cos = torch.stack([cos, cos, torch.ones_like(cos)], dim=1)
    sin = torch.stack([sin, sin, torch.zeros_like(sin)], dim=1)
    return Rotary(cos[:, :, None].to(device, dtype), sin[:, :, None].to(device, dtype))


def _with_prefix(positions: Tensor, text_tokens: int) -> Tensor:
    """Positions with a text prefix, whose tokens are at row and column 0."""
    return torch.cat([positions.new_zeros(text_tokens), positions])
