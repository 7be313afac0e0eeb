"""How many bytes a flow needs beside its weights, so that whoever shares a device's memory can make room."""

from __future__ import annotations

from torch import Tensor

from .flow.flow import Flow
from .samplers.jacobi import Jacobi

ACTIVATIONS = 12  # tensors of the width of the transformer that a layer has alive at once, the widened ones included
FLOAT32 = 4


def sampling_memory(flow: Flow, batch: int, grid: tuple[int, int], condition: Tensor | None, *, guided: bool) -> int:
    """Bytes to draw a batch: the largest key-value cache of a block, and the activations of a window of tokens.

    Args:
        flow: to draw with.
        batch: pictures at once.
        grid: tokens (H', W') of each.
        condition: as the flow takes it.
        guided: whether every pass is made twice.
    """
    tokens = grid[0] * grid[1]
    text = _text_tokens(condition)
    window = min(tokens, Jacobi().block_size or tokens)
    passes = 2 if guided else 1
    return max(
        batch * (passes if block.is_conditioned else 1) * _block(flow, i, tokens + text, window)
        for i, block in enumerate(flow.blocks)
    )


def forward_memory(flow: Flow, batch: int, grid: tuple[int, int], condition: Tensor | None) -> int:
    """Bytes for the likelihoods of a batch: the activations of all tokens, and what attention makes of them."""
    tokens = grid[0] * grid[1] + _text_tokens(condition)
    return max(batch * _activations(flow, i, tokens) for i in range(len(flow.blocks)))


def _text_tokens(condition: Tensor | None) -> int:
    """Of features (B, L, D); labels (B,) are no tokens."""
    return 0 if condition is None or condition.ndim < 3 else condition.shape[1]


def _block(flow: Flow, i: int, tokens: int, window: int) -> int:
    shape = flow.config.block(i)
    cache = 2 * shape.layers * tokens * shape.width * flow.blocks[i].proj_in.weight.element_size()
    return cache + _activations(flow, i, window)


def _activations(flow: Flow, i: int, tokens: int) -> int:
    shape = flow.config.block(i)
    heads = shape.width // shape.head_dim
    return FLOAT32 * tokens * (ACTIVATIONS * shape.width + heads * tokens)
