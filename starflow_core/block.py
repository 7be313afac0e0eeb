"""One block of the flow: an affine map of every token, given the tokens before it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cache import KeyValueCache
from .config import FlowConfig
from .rotary import Rotary
from .transformer import TransformerLayer

# softplus(SOFTPLUS_SHIFT) = 1, so that an output of zero leaves a token as it is.
SOFTPLUS_SHIFT = 0.541324854612918
FINAL_NORM_EPS = 1e-6


class Affine(NamedTuple):
    """The map of one or more tokens: x = mean + scale·z, and z = (x − mean)/scale; each (B, N, D), float32."""

    mean: Tensor
    scale: Tensor


class FinalNorm(nn.Module):
    """RMS norm whose weight is stored as the distance from one, computed in float32."""

    def __init__(self, width: int, **factory: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, **factory))

    def forward(self, x: Tensor) -> Tensor:
        h = x.float()
        h = h * (h.square().mean(-1, keepdim=True) + FINAL_NORM_EPS).rsqrt()
        return (h * (1 + self.weight.float())).to(x.dtype)


class FlowBlock(nn.Module):
    """A causal transformer that predicts the affine map of each token from the tokens before it.

    All methods take tokens in the block's own order; `reorder` goes there from raster order, and back.

    Args:
        config: of the flow.
        index: of this block, in data → noise order.
        operations: namespace that `Linear` and `LayerNorm` are taken from.
        factory: `device` and `dtype` for the parameters.
    """

    attn_blocks: Sequence[TransformerLayer]

    def __init__(self, config: FlowConfig, index: int, operations: Any, **factory: Any) -> None:
        super().__init__()
        width, D = config.width(index), config.token_dim
        self.index, self.width, self.head_dim = index, width, config.head_dim
        self.flip = config.is_flipped(index)
        self.soft_clip, self.use_softplus = config.soft_clip, config.use_softplus
        self.sos_embed = nn.Parameter(torch.zeros(1, 1, D, **factory)) if config.sos else None
        self.pos_embed = None
        if not config.rope:
            self.pos_embed = nn.Parameter(torch.zeros(config.trained_side**2, width, **factory))
        self.proj_in = operations.Linear(D, width, **factory)
        self.proj_txt = operations.Linear(config.txt_dim, width, **factory) if config.sees_text(index) else None
        layers = (
            TransformerLayer(width, config.head_dim, config.expansion, operations, **factory)
            for _ in range(config.layers_per_block[index])
        )
        self.attn_blocks = nn.ModuleList(layers)  # type: ignore[assignment]
        self.final_norm = FinalNorm(width, **factory) if config.use_final_norm else None
        self.proj_out = operations.Linear(width, 2 * D, **factory)

    @property
    def sees_text(self) -> bool:
        return self.proj_txt is not None

    @property
    def free_tokens(self) -> int:
        """Tokens at the start that no context predicts and that pass unchanged: 1 without a start token."""
        return 0 if self.sos_embed is not None else 1

    def in_dtype(self, dtype: torch.dtype) -> FlowBlock:
        """A copy of this block with its weights in another dtype."""
        converted = {id(p): nn.Parameter(p.to(dtype), requires_grad=False) for p in self.parameters()}
        return copy.deepcopy(self, converted)

    def reorder(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T, …) from raster order to this block's order, or back."""
        return tokens.flip(1) if self.flip else tokens

    def new_cache(self, batch: int, capacity: int) -> KeyValueCache:
        like = self.proj_in.weight
        heads = self.width // self.head_dim
        return KeyValueCache(
            len(self.attn_blocks), batch, heads, capacity, self.head_dim, dtype=like.dtype, device=like.device
        )

    def with_start(self, tokens: Tensor) -> Tensor:
        """A copy of tokens (B, T, D) behind the start token, if there is one: entry i is what predicts token
        i + `free_tokens` from, and the last entry predicts nothing.
        """
        if self.sos_embed is None:
            return tokens.clone()
        sos = self.sos_embed.to(tokens).expand(tokens.shape[0], -1, -1)
        return torch.cat([sos, tokens], dim=1)

    def read_text(self, text: Tensor, rotary: Rotary | None, cache: KeyValueCache) -> None:
        """Put a prompt's features (B, L, txt_dim) in front of all tokens, as the first entries of an empty cache."""
        assert self.proj_txt is not None
        self._transform(self._project_text(text), rotary and rotary[: text.shape[1]], cache)

    def predict(self, contexts: Tensor, rotary: Rotary | None, cache: KeyValueCache, text_tokens: int = 0) -> Affine:
        """Predict from the next N contexts (B, N, D), behind those in the cache, and append them to it.

        Args:
            contexts: entries of `with_start`, the first one following on the cache.
            rotary: the whole table, of text and image positions.
            cache: holds the `text_tokens` of the prompt and all contexts before.
            text_tokens: length of the prompt in this block.
        """
        start, end = cache.length, cache.length + contexts.shape[1]
        h = self._embed(contexts, start - text_tokens)
        h = self._transform(h, rotary and rotary[start:end], cache)
        return self._affine(h)

    def forward(self, tokens: Tensor, text: Tensor | None, rotary: Rotary | None) -> tuple[Tensor, Tensor]:
        """Data → noise: tokens (B, T, D) → the transformed tokens and their log-determinants (B, T), float32."""
        h = self._embed(self.with_start(tokens)[:, :-1], 0)
        if text is not None:
            h = torch.cat([self._project_text(text), h], dim=1)
        h = self._transform(h, rotary and rotary[: h.shape[1]])
        mean, scale = self._affine(h[:, text.shape[1] :] if text is not None else h)
        free = self.free_tokens
        z = (tokens[:, free:] - mean) / scale
        log_det = -scale.log().sum(-1)
        if free:
            z = torch.cat([tokens[:, :free], z], dim=1)
            log_det = F.pad(log_det, (free, 0))
        return z, log_det

    def _embed(self, contexts: Tensor, start: int) -> Tensor:
        h = self.proj_in(contexts.to(self.proj_in.weight.dtype))
        if self.pos_embed is None:
            return h
        return h + self.reorder(self.pos_embed[None])[:, start : start + h.shape[1]].to(h)

    def _project_text(self, text: Tensor) -> Tensor:
        assert self.proj_txt is not None
        return self.proj_txt(text.to(self.proj_txt.weight.dtype))

    def _transform(self, h: Tensor, rotary: Rotary | None, cache: KeyValueCache | None = None) -> Tensor:
        for i, layer in enumerate(self.attn_blocks):
            h = layer(h, rotary, cache, i)
        if cache is not None:
            cache.advance(h.shape[1])
        return h

    def _affine(self, h: Tensor) -> Affine:
        if self.final_norm is not None:
            h = self.final_norm(h)
        o = self.proj_out(h).float()  # from here on in float32, whatever the weights are
        if self.soft_clip:
            o = self.soft_clip * torch.tanh(o / self.soft_clip)
        a, mean = o.chunk(2, dim=-1)
        scale = F.softplus(a + SOFTPLUS_SHIFT) if self.use_softplus else a.exp()
        return Affine(mean, scale)
