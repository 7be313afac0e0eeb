"""The transformer layer: causal attention, or attention to given parts, then an MLP, each after a layer norm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cache import KeyValueCache
from .rotary import Rotary

NORM_EPS = 1e-5

Visible = tuple[tuple[slice, tuple[slice, ...]], ...]
"""Parts of a sequence, in order, each with the parts that it sees."""


@dataclass(frozen=True)
class AttentionState:
    """The cache, the temperature and the mask of attention.

    Attributes:
        cache: holds the earlier tokens; None without any.
        temperature: (B, 1, 1, 1), divides the attention logits; None for 1.
        visible: what each part of the sequence sees, without a cache; None for a causal mask.
    """

    cache: KeyValueCache | None = None
    temperature: Tensor | None = None
    visible: Visible | None = None


class Attention(nn.Module):
    """Multi-head self-attention on normalised inputs, causal by default.

    Args:
        width: features per token.
        head_dim: features per head; heads = width / head_dim.
        operations: namespace that `Linear` and `LayerNorm` are taken from, such as `torch.nn`.
        factory: `device` and `dtype` for the parameters.
    """

    def __init__(self, width: int, head_dim: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.heads, self.head_dim = width // head_dim, head_dim
        self.norm = operations.LayerNorm(width, eps=NORM_EPS, **factory)
        self.qkv = operations.Linear(width, 3 * width, **factory)
        self.proj = operations.Linear(width, width, **factory)

    def forward(self, x: Tensor, rotary: Rotary | None, state: AttentionState, layer: int) -> Tensor:
        """Attend from N tokens to themselves and, with a cache, to all tokens before them.

        Args:
            x: (B, N, width).
            rotary: positions of the N tokens; None for learned positions, which are added before.
            state: its cache receives the N keys and values of `layer`.
            layer: this layer's index in its block.
        """
        B, N, C = x.shape
        qkv = self.qkv(self.norm(x)).view(B, N, 3, self.heads, self.head_dim)
        if rotary is not None:
            qkv = rotary.rotate(qkv)
        qkv = qkv.permute(0, 2, 3, 1, 4)  # (B, 3, heads, N, head_dim)
        past = 0
        if state.cache is None:
            queries, keys, values = qkv.unbind(1)
        else:
            past = state.cache.length
            queries = qkv[:, 0]
            keys, values = state.cache.append(layer, qkv[:, 1:])
        if state.temperature is not None:
            queries = queries / state.temperature
        if state.visible is None:
            h = _causal_attention(queries, keys, values, past)
        else:
            h = _attention_by_parts(queries, keys, values, state.visible)
        return self.proj(h.transpose(1, 2).reshape(B, N, C))


def _causal_attention(queries: Tensor, keys: Tensor, values: Tensor, past: int) -> Tensor:
    """Attention of N queries, each to the `past` keys and to the new keys up to its own."""
    N = queries.shape[2]
    if N == 1:
        return F.scaled_dot_product_attention(queries, keys, values)
    if queries.device.type == "cpu" and queries.dtype == torch.bfloat16:
        return _plain_attention(queries, keys, values, past)
    if past == 0:
        return F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
    if queries.device.type == "cuda":
        return _causal_after(queries, keys, values)
    mask = torch.ones(N, past + N, dtype=torch.bool, device=queries.device).tril(past)
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)


def _attention_by_parts(queries: Tensor, keys: Tensor, values: Tensor, visible: Visible) -> Tensor:
    """Attention of each part to those that it sees, part by part: no mask, whose size is that of all times all."""

    def joined(x: Tensor, parts: Sequence[slice]) -> Tensor:
        return torch.cat([x[:, :, part] for part in parts], dim=2)

    seen = [
        F.scaled_dot_product_attention(queries[:, :, of], joined(keys, to), joined(values, to)) for of, to in visible
    ]
    return torch.cat(seen, dim=2)


def _causal_after(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The same without a mask in memory, which would keep flash attention out."""
    from torch.nn.attention.bias import causal_lower_right

    causal: Any = causal_lower_right(queries.shape[2], keys.shape[2])
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=causal)


def _plain_attention(queries: Tensor, keys: Tensor, values: Tensor, past: int) -> Tensor:
    """The same by two matrix products: on CPUs the fused kernel does not use bfloat16 instructions."""
    N, M = queries.shape[2], keys.shape[2]
    future = torch.full((N, M), -math.inf, dtype=queries.dtype, device=queries.device).triu(past + 1)
    logits = torch.baddbmm(
        future, queries.flatten(0, 1), keys.flatten(0, 1).transpose(1, 2), alpha=queries.shape[-1] ** -0.5
    )
    return torch.bmm(logits.softmax(-1), values.flatten(0, 1)).view_as(queries)


class MLP(nn.Module):
    """Two linear layers with an exact GELU between them, on normalised inputs."""

    def __init__(self, width: int, expansion: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.norm = operations.LayerNorm(width, eps=NORM_EPS, **factory)
        self.main = nn.Sequential(
            operations.Linear(width, expansion * width, **factory),
            nn.GELU(),
            operations.Linear(expansion * width, width, **factory),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.main(self.norm(x))


class TransformerLayer(nn.Module):
    """h ← h + Attention(h); h ← h + MLP(h)."""

    def __init__(self, width: int, head_dim: int, expansion: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.attention = Attention(width, head_dim, operations, **factory)
        self.mlp = MLP(width, expansion, operations, **factory)

    def forward(self, h: Tensor, rotary: Rotary | None, state: AttentionState, layer: int) -> Tensor:
        h = h + self.attention(h, rotary, state, layer)
        return h + self.mlp(h)
