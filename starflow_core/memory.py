"""Memory that a flow needs beside its weights, for hosts that share a device's memory."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .flow.block import FlowBlock
from .flow.config import BlockShape
from .flow.flow import Flow
from .flow.guidance import Guidance
from .flow.predictor import drafts_pay, is_guided
from .flow.tokens import Grid
from .insight.likelihood import denoised_at_once
from .quantization.formats import number_of_weights
from .quantization.groups import Int4Linear
from .samplers import Jacobi, Sampler, Sequential
from .samplers.secant import RANK

FLOAT32, BFLOAT16, CODE = 4, 2, 4  # bytes
# Tensors of the transformer's width that are alive at once in a layer, for each token: during the rotation, four
# times queries, keys and values, and the hidden state; during attention, once, and the result.
TURNING, ATTENDING = 13, 5
# Those that a layer keeps for the gradient: both norms' inputs, queries, keys, values, attention's output, and the
# widened ones of the MLP; and the gradients themselves.
KEPT, GRADIENTS = 6, 8
# The same in the training of a LoRA, all float32: the norms' outputs, queries, keys and values before and after the
# rotation, attention's output, and the widened ones before and after the MLP's nonlinearity; and the gradients.
LEARNT, LEARNT_WIDE, LEARNT_GRADIENTS = 9, 2, 6
# Numbers that are kept for each one of a LoRA: itself, its gradient, the optimizer's two moments, its average, and the
# best average.
COPIES = 6
LEARNT_MATRICES = 2  # of attention, N × N per head
# Tensors of the size of the tokens: the noise, the contexts, and their results; the secant keeps more of all tokens,
# and makes as many of those in the window while the transformer rests.
TOKENS = 8
SECANT = 2 * RANK + 2


def sampling_memory(
    flow: Flow,
    batch: int,
    grid: Grid,
    condition: Tensor | None,
    *,
    guidance: Guidance | None = None,
    sampler: Sampler | None = None,
    denoise: bool = False,
) -> int:
    """Bytes to draw a batch: those of the largest block, or of denoising if it needs more.

    Args:
        flow: to draw with, on the device and in the dtype of its computation.
        batch: pictures at once.
        grid: tokens (H', W') of each.
        condition: as the flow takes it.
        guidance: of the drawing.
        sampler: inverts the blocks; `Jacobi()` by default.
        denoise: the pictures are denoised, a few at a time.
    """
    tokens, drawing = math.prod(grid), 0
    for i, block in enumerate(flow.blocks):
        rows = 2 * batch if is_guided(block, guidance) else batch
        tables = _tables(flow.blocks[i:], tokens, condition, flow.dtype)  # the last block draws first
        drawing = max(drawing, tables + _sampling(flow, block, rows, batch, grid, condition, sampler or Jacobi()))
    drawing += _packed(flow)
    return max(drawing, denoising_memory(flow, batch, grid, condition)) if denoise else drawing


def forward_memory(flow: Flow, batch: int, grid: Grid, condition: Tensor | None) -> int:
    """Bytes for the likelihoods of a batch: the activations of all tokens."""
    tokens = math.prod(grid)
    most = 0
    for block in flow.blocks:
        N = tokens + _text_tokens(block.shape, condition)
        most = max(most, batch * _activations(flow, block.shape, N, N, flow.dtype))
    state = batch * tokens * TOKENS * flow.blocks[0].shape.token_dim * FLOAT32
    return most + state + _tables(flow.blocks, tokens, condition, flow.dtype)


def denoising_memory(flow: Flow, batch: int, grid: Grid, condition: Tensor | None) -> int:
    """Bytes to denoise a batch, a few pictures at a time: the inputs of all layers, and the gradient of one."""
    tokens, at_once = math.prod(grid), min(batch, denoised_at_once(grid))
    kept = most = 0
    for block in flow.blocks:
        shape = block.shape
        N = tokens + _text_tokens(shape, condition)
        wide = N * shape.width * flow.dtype.itemsize
        kept += shape.layers * wide + tokens * TOKENS * shape.token_dim * FLOAT32
        layer = (KEPT + shape.expansion + GRADIENTS) * wide + _attention(flow, shape, N, N, flow.dtype) // 2
        most = max(most, layer)
    return at_once * (kept + most) + _tables(flow.blocks, tokens, condition, flow.dtype)


def tuning_memory(flow: Flow, batch: int, grid: Grid, condition: Tensor | None, *, rank: int) -> int:
    """Bytes to train a LoRA of a flow whose layers' activations are computed anew on the way back.

    Those of the base's weights are among them; those of an autoencoder and of a text encoder are not.

    Args:
        flow: the base, in the dtype that its weights are kept in.
        batch: pictures a step.
        grid: tokens (H', W') of each.
        condition: as the flow takes it.
        rank: r, of the LoRA.
    """
    tokens = math.prod(grid)
    kept = most = 0
    for block in flow.blocks:
        shape = block.shape
        N = tokens + _text_tokens(shape, condition)
        wide = N * shape.width * FLOAT32
        kept += shape.layers * wide + tokens * TOKENS * shape.token_dim * FLOAT32
        layer = (LEARNT + LEARNT_WIDE * shape.expansion + LEARNT_GRADIENTS) * wide
        most = max(most, layer + _learnt_attention(flow, shape, N))
    weights = sum(parameter.numel() * parameter.itemsize for parameter in flow.parameters())
    numbers = COPIES * FLOAT32 * _low_rank_numbers(flow, rank)
    return weights + numbers + batch * (kept + most) + _tables(flow.blocks, tokens, condition, torch.float32)


def _low_rank_numbers(flow: Flow, rank: int) -> int:
    """How many numbers a LoRA of all matrices within the transformer layers has."""
    layers = [module for block in flow.blocks for layer in block.attn_blocks for module in layer.modules()]
    return sum(rank * sum(module.weight.shape) for module in layers if isinstance(module, nn.Linear))


def _learnt_attention(flow: Flow, shape: BlockShape, N: int) -> int:
    """Bytes of attention's matrices in training, which a GPU's kernel does not store."""
    heads = shape.width // shape.head_dim
    return 0 if flow.device.type == "cuda" else LEARNT_MATRICES * heads * N * N * FLOAT32


def _sampling(
    flow: Flow,
    block: FlowBlock,
    rows: int,
    batch: int,
    grid: Grid,
    condition: Tensor | None,
    sampler: Sampler,
) -> int:
    """Bytes to invert a block, with `rows` sequences for a batch of pictures."""
    shape, tokens = block.shape, math.prod(grid)
    text = _text_tokens(shape, condition)
    total, D = tokens + text, shape.token_dim

    def cache(size: int) -> int:
        return rows * total * 2 * shape.layers * shape.width * size

    def layer(at_once: int, dtype: torch.dtype) -> int:
        return rows * _activations(flow, shape, at_once, total, dtype)

    if isinstance(sampler, Sequential):
        state = batch * tokens * TOKENS * D * FLOAT32
        return state + cache(flow.dtype.itemsize) + layer(max(1, text), flow.dtype)
    window = min(tokens, getattr(sampler, "block_size", None) or tokens)
    solving, drafting = layer(max(window, text), flow.dtype), 0
    if getattr(sampler, "drafts", False) and drafts_pay(rows, tokens, flow.device, flow.dtype):
        weights = number_of_weights(block)
        drafting = BFLOAT16 * weights + cache(BFLOAT16) + layer(max(tokens, text), torch.bfloat16)
    state = batch * tokens * (TOKENS + SECANT) * D * FLOAT32
    secant = batch * (tokens if drafting else window) * SECANT * D * FLOAT32
    return state + cache(flow.dtype.itemsize) + max(solving, drafting, secant)


def _packed(flow: Flow) -> int:
    """Bytes of the copies of 4-bit weights in the order of the CPU's kernel, which are made at the first step, layer
    by layer from codes of 32 bits.
    """
    if flow.device.type != "cpu":
        return 0
    all_layers = (layer for layer in flow.modules() if isinstance(layer, Int4Linear))
    layers = [layer for layer in all_layers if layer.weight.device.type == "cpu"]
    codes = max((layer.out_features * layer.in_features * CODE for layer in layers), default=0)
    return sum(layer.packed_bytes(flow.dtype) for layer in layers) + codes


def _text_tokens(shape: BlockShape, condition: Tensor | None) -> int:
    """The number of text tokens L of features (B, L, D); 0 for labels and for blocks without text."""
    return 0 if condition is None or condition.ndim < 3 or not shape.text_dim else condition.shape[1]


def _activations(flow: Flow, shape: BlockShape, N: int, M: int, dtype: torch.dtype) -> int:
    """Bytes of a layer's activations for N tokens that attend to M."""
    wide = N * shape.width * dtype.itemsize
    turning = 0 if shape.positions else TURNING * wide
    attending = ATTENDING * wide + _attention(flow, shape, N, M, dtype)
    return max(turning, attending, (2 + 2 * shape.expansion) * wide)


def _tables(blocks: Iterable[FlowBlock], tokens: int, condition: Tensor | None, dtype: torch.dtype) -> int:
    """Bytes of the rotary tables that blocks share, one for each length: cosines and sines of queries, keys and
    values.
    """
    turned = [block.shape for block in blocks if not block.shape.positions]
    sizes = {(tokens + _text_tokens(shape, condition), shape.head_dim) for shape in turned}
    return sum(2 * 3 * N * head_dim * dtype.itemsize for N, head_dim in sizes)


def _attention(flow: Flow, shape: BlockShape, N: int, M: int, dtype: torch.dtype) -> int:
    """Bytes of attention's matrices, N × M per head, if the device's kernel stores them."""
    heads, device = shape.width // shape.head_dim, flow.device.type
    is_fused = device == "cuda" or (device == "cpu" and dtype != torch.bfloat16)
    if is_fused or N == 1:
        return 0
    return 2 * heads * N * M * dtype.itemsize
