"""Latents or pictures as tokens, and back; the sequences of tokens that a block runs over."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from .config import AnyFlowConfig, BlockShape

Grid = tuple[int, ...]
"""Tokens along each axis: (H', W') of a picture, (T, H', W') of a video."""


def patchify(x: Tensor, config: AnyFlowConfig) -> Tensor:
    """x (B, C, H, W) or (B, T, C, H, W) → tokens (B, N, D) in raster order, frame after frame, each laid out as the
    configuration says.
    """
    inside = "p1 p2 c" if config.channels_last else "c p1 p2"
    p = config.patch_size
    if x.ndim == 4:
        return rearrange(x, f"b c (h p1) (w p2) -> b (h w) ({inside})", p1=p, p2=p)
    return rearrange(x, f"b t c (h p1) (w p2) -> b (t h w) ({inside})", p1=p, p2=p)


def unpatchify(tokens: Tensor, grid: Grid, config: AnyFlowConfig) -> Tensor:
    """Tokens (B, N, D) of a token grid → (B, C, H, W) or (B, T, C, H, W); the inverse of `patchify`."""
    inside = "p1 p2 c" if config.channels_last else "c p1 p2"
    p, (*frames, h, w) = config.patch_size, grid
    if not frames:
        return rearrange(tokens, f"b (h w) ({inside}) -> b c (h p1) (w p2)", h=h, w=w, p1=p, p2=p)
    return rearrange(tokens, f"b (t h w) ({inside}) -> b t c (h p1) (w p2)", t=frames[0], h=h, w=w, p1=p, p2=p)


@dataclass(frozen=True)
class Order:
    """The sequences that a block runs over: of all tokens, or of those of each frame, in raster order or reversed.

    A picture is a video of one frame.

    Attributes:
        shape: of the block.
        grid: of the tokens.
    """

    shape: BlockShape
    grid: Grid

    @property
    def frames(self) -> int:
        """Frames T of a datum."""
        return self.grid[0] if len(self.grid) == 3 else 1

    @property
    def frame_tokens(self) -> int:
        """Tokens F of a frame."""
        return math.prod(self.grid[-2:])

    @property
    def sequences(self) -> int:
        """Sequences of a datum: T for a block that sees one frame at a time, else 1."""
        return self.frames if self.shape.local else 1

    @property
    def length(self) -> int:
        """Tokens of a sequence."""
        return self.frames * self.frame_tokens // self.sequences

    def enter(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, …) in raster order → the block's sequences, (B·sequences, length, …)."""
        return self._reorder(tokens.reshape(-1, self.length, *tokens.shape[2:]))

    def leave(self, sequences: Tensor) -> Tensor:
        """The block's sequences (B·sequences, length, …) → tokens (B, N, …) in raster order."""
        tokens = self._reorder(sequences)
        return tokens.reshape(-1, self.length * self.sequences, *tokens.shape[2:])

    def _reorder(self, sequences: Tensor) -> Tensor:
        if not self.shape.flip:
            return sequences
        if self.length == self.frame_tokens or not self.shape.keeps_frames:
            return sequences.flip(1)
        return sequences.unflatten(1, (self.frames, self.frame_tokens)).flip(2).flatten(1, 2)


@dataclass(frozen=True)
class Part:
    """The tokens of a datum that a block is inverted on at once.

    Attributes:
        order: of the block, over the grid of the part.
        start: the first token, in raster order.
        known: the first tokens of each sequence, which are known.
    """

    order: Order
    start: int
    known: int

    @property
    def _tokens(self) -> slice:
        return slice(self.start, self.start + self.order.sequences * self.order.length)

    def enter(self, tokens: Tensor) -> Tensor:
        """All tokens (B, N, D) in raster order → the block's sequences of this part."""
        return self.order.enter(tokens[:, self._tokens])

    def written(self, tokens: Tensor, x: Tensor) -> Tensor:
        """A copy of all tokens in raster order, with the part's unknown ones, x in the block's sequences, in place."""
        part = self.order.leave(torch.cat([self.enter(tokens)[:, : self.known], x], dim=1))
        end = self._tokens.stop
        return torch.cat([tokens[:, : self.start], part, tokens[:, end:]], dim=1)
