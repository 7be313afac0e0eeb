"""One block of the flow: an affine map of every token, given the tokens before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import operations as casting
from ..quantization.formats import dequantized
from .cache import KeyValueCache
from .config import BlockShape
from .recomputed import plainly, recomputed, recomputed_with_weights
from .rotary import Rotary
from .transformer import AttentionState, TransformerLayer

# softplus(SOFTPLUS_SHIFT) = 1: an output of zero leaves a token unchanged.
SOFTPLUS_SHIFT = 0.541324854612918
FINAL_NORM_EPS = 1e-6


class Affine(NamedTuple):
    """The map of one or more tokens: x = mean + scale·z, and z = (x − mean)/scale; each (B, N, D), float32."""

    mean: Tensor
    scale: Tensor


class FinalNorm(nn.Module):
    """RMS norm in float32, whose stored weight is the difference from one."""

    def __init__(self, width: int, **factory: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, **factory))

    def forward(self, x: Tensor) -> Tensor:
        h = x.float()
        h = h * (h.square().mean(-1, keepdim=True) + FINAL_NORM_EPS).rsqrt()
        return (h * (1 + self.weight.to(h))).to(x.dtype)


class Condition(NamedTuple):
    """The encoding of a prompt or a class for one block, in the block's width.

    Attributes:
        prefix: (B, L, width), hidden states that precede those of the tokens.
        bias: (B, 1, width), added to the hidden state of every token.
    """

    prefix: Tensor | None = None
    bias: Tensor | None = None

    @property
    def length(self) -> int:
        """Length L of the prefix."""
        return 0 if self.prefix is None else self.prefix.shape[1]


class FlowBlock(nn.Module):
    """A causal transformer that predicts the affine map of each token from the tokens before it.

    All methods take tokens in the block's own order; `reorder` converts from raster order and back. A block computes
    on the device of its input and in the dtype of the call; its weights are cast to both at use.

    Attributes:
        keeps_activations: in training, for the gradient of its weights; otherwise each layer's are computed anew on the
            way back, which takes a third more time and a tenth of the memory.

    Args:
        shape: the block's sizes and options.
        operations: namespace that `Linear` and `LayerNorm` are taken from.
        factory: `device` and `dtype` for the parameters.
    """

    attn_blocks: Sequence[TransformerLayer]
    keeps_activations = True

    def __init__(self, shape: BlockShape, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.shape = shape
        width, D = shape.width, shape.token_dim

        def optional(wanted: Any, *size: int) -> nn.Parameter | None:
            return nn.Parameter(torch.zeros(*size, **factory)) if wanted else None

        self.sos_embed = optional(shape.start_token, 1, 1, D)
        self.pos_embed = optional(shape.positions, shape.positions, width)
        self.class_embed = optional(shape.classes, shape.classes, 1, width)
        self.proj_in = operations.Linear(D, width, **factory)
        self.proj_txt = operations.Linear(shape.text_dim, width, **factory) if shape.text_dim else None
        layers = (
            TransformerLayer(width, shape.head_dim, shape.expansion, operations, **factory) for _ in range(shape.layers)
        )
        self.attn_blocks = nn.ModuleList(layers)  # type: ignore[assignment]
        self.final_norm = FinalNorm(width, **factory) if shape.final_norm else None
        self.proj_out = operations.Linear(width, D if shape.scale == "none" else 2 * D, **factory)

    @property
    def is_conditioned(self) -> bool:
        """Whether the block depends on a text or a class."""
        return self.proj_txt is not None or self.class_embed is not None

    @property
    def free_tokens(self) -> int:
        """Number of first tokens that have no context and pass unchanged: 1 without a start token, else 0."""
        return 0 if self.sos_embed is not None else 1

    def copied(self, device: torch.device, dtype: torch.dtype) -> FlowBlock:
        """A copy of this block with plain weights on a device and in a dtype, to compute there."""
        weights = dequantized(self, torch.empty(0, device=device, dtype=dtype))
        block = FlowBlock(self.shape, casting, device="meta")
        block.load_state_dict(weights, assign=True)
        return block.requires_grad_(False)

    def reorder(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T, …) of a picture from raster order to this block's, or back; `Order` does it for videos."""
        return tokens.flip(1) if self.shape.flip else tokens

    def condition(self, given: Tensor | None, dtype: torch.dtype) -> Condition:
        """The block's encoding, in a dtype, of text features (B, L, txt_dim) or labels (B,), negative for none."""
        if self.proj_txt is not None and given is not None:
            return Condition(prefix=self.proj_txt(given.to(dtype)))
        if self.class_embed is not None:
            classes = self.class_embed.to(device=None if given is None else given.device, dtype=dtype)
            anything = classes.mean(0, keepdim=True)  # the embedding of no class
            if given is None:
                return Condition(bias=anything)
            return Condition(bias=torch.cat([classes, anything])[given.clamp(min=-1)])
        return Condition()

    def new_cache(self, batch: int, capacity: int, *, device: torch.device, dtype: torch.dtype) -> KeyValueCache:
        shape = self.shape
        heads = shape.width // shape.head_dim
        return KeyValueCache(len(self.attn_blocks), batch, heads, capacity, shape.head_dim, device=device, dtype=dtype)

    def with_start(self, tokens: Tensor) -> Tensor:
        """A copy of tokens (B, T, D) after the start token, if there is one. Entry i is the context that predicts token
        i + `free_tokens`; the last entry predicts nothing.
        """
        if self.sos_embed is None:
            return tokens.clone()
        sos = self.sos_embed.to(tokens).expand(tokens.shape[0], -1, -1)
        return torch.cat([sos, tokens], dim=1)

    def read_prefix(self, condition: Condition, rotary: Rotary | None, attention: AttentionState) -> None:
        """Put a condition's prefix in front of all tokens, as the first entries of an empty cache."""
        if condition.prefix is not None:
            self._transform(condition.prefix, rotary and rotary[: condition.length], attention)

    def read(self, contexts: Tensor, condition: Condition, rotary: Rotary | None, attention: AttentionState) -> None:
        """Append the next N contexts to the cache, without a prediction; arguments as for `predict`."""
        self._append(contexts, condition, rotary, attention)

    def predict(
        self, contexts: Tensor, condition: Condition, rotary: Rotary | None, attention: AttentionState
    ) -> Affine:
        """Predict from the next N contexts (B, N, D), which follow those in the cache, and append them to it.

        Args:
            contexts: entries of `with_start`, from the first one after the cache, in the dtype of the computation.
            condition: its prefix is in the cache already.
            rotary: the whole table, of prefix and image positions.
            attention: holds the cache of the prefix and of all earlier contexts.
        """
        return self._affine(self._append(contexts, condition, rotary, attention))

    def _append(
        self, contexts: Tensor, condition: Condition, rotary: Rotary | None, attention: AttentionState
    ) -> Tensor:
        assert attention.cache is not None
        start, end = attention.cache.length, attention.cache.length + contexts.shape[1]
        h = self._embed(contexts, condition, start - condition.length)
        return self._transform(h, rotary and rotary[start:end], attention)

    def forward(
        self,
        tokens: Tensor,
        given: Tensor | None,
        rotary: Rotary | None,
        dtype: torch.dtype = torch.float32,
        states: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Data → noise: tokens (B, T, D) → the transformed tokens and their log-determinants (B, T), float32.

        Args:
            tokens: in the block's order.
            given: text features or class labels, as for `condition`.
            rotary: the whole table, of prefix and image positions.
            dtype: to compute the prediction in.
            states: receives the hidden states after each layer, (B, N, width), of the contexts of all N tokens but the
                `free_tokens`.
        """
        mean, scale = self.affine(tokens, given, rotary, dtype, states)
        free = self.free_tokens
        z = (tokens[:, free:] - mean) / scale
        log_det = -scale.log().sum(-1)
        if free:
            z = torch.cat([tokens[:, :free], z], dim=1)
            log_det = F.pad(log_det, (free, 0))
        return z, log_det

    def affine(
        self,
        tokens: Tensor,
        given: Tensor | None,
        rotary: Rotary | None,
        dtype: torch.dtype = torch.float32,
        states: list[Tensor] | None = None,
    ) -> Affine:
        """The predicted map of each token but the `free_tokens`, from those before it; arguments as for `forward`."""
        condition = self.condition(given, dtype)
        h = self._embed(self.with_start(tokens)[:, :-1].to(dtype), condition, 0)
        if condition.prefix is not None:
            h = torch.cat([condition.prefix, h], dim=1)
        h = self._transform(h, rotary and rotary[: h.shape[1]], AttentionState(), states)
        if states is not None:
            states[:] = [state[:, condition.length :] for state in states]
        return self._affine(h[:, condition.length :])

    def _embed(self, contexts: Tensor, condition: Condition, start: int) -> Tensor:
        h = self.proj_in(contexts)
        if self.pos_embed is not None:
            h = h + self.reorder(self.pos_embed[None])[:, start : start + h.shape[1]].to(h)
        return h if condition.bias is None else h + condition.bias.to(h)

    def _transform(
        self, h: Tensor, rotary: Rotary | None, attention: AttentionState, states: list[Tensor] | None = None
    ) -> Tensor:
        call = self._caller(h, attention)
        for i, layer in enumerate(self.attn_blocks):
            h = call(partial(layer, rotary=rotary, state=attention, layer=i), h)
            if states is not None:
                states.append(h)
        if attention.cache is not None:
            attention.cache.advance(h.shape[1])
        return h

    def _caller(self, h: Tensor, attention: AttentionState) -> Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]:
        """What calls a layer with hidden states.

        For a gradient with respect to the data alone, the backward pass recomputes a layer's activations. Storing them
        would take ten times the memory, and keep every weight that was cast or moved.
        """
        if attention.cache is not None or not torch.is_grad_enabled():
            return plainly
        if any(weight.requires_grad for weight in self.parameters()):
            return plainly if self.keeps_activations else recomputed_with_weights
        return recomputed if h.requires_grad else plainly

    def _affine(self, h: Tensor) -> Affine:
        if self.final_norm is not None:
            h = self.final_norm(h)
        o = self.proj_out(h).float()  # float32 from here on, for weights of any dtype
        if self.shape.soft_clip:
            o = self.shape.soft_clip * torch.tanh(o / self.shape.soft_clip)
        if self.shape.scale == "none":
            return Affine(o, torch.ones_like(o))
        a, mean = o.chunk(2, dim=-1)
        return Affine(mean, F.softplus(a + SOFTPLUS_SHIFT) if self.shape.scale == "softplus" else a.exp())
