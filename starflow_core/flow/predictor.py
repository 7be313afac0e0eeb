"""A block as samplers see it: predictions of tokens from contexts, with cache, condition and guidance inside."""

from __future__ import annotations

import torch
from torch import Tensor

from .block import Affine, FlowBlock
from .guidance import Guidance
from .precision import bfloat16_is_faster
from .rotary import Rotary
from .transformer import AttentionState

# Rows of the matrix products, sequences × tokens, from which a draft saves more time than it costs; measured.
DRAFT_ROWS = 512
# Contexts of known tokens that are read at once: a mask holds as many rows.
READ_AT_ONCE = 2048


def is_guided(block: FlowBlock, guidance: Guidance | None) -> bool:
    """Whether a block's pass runs twice; without a condition, the two differ in attention temperature only."""
    if guidance is None or guidance.strength == 0:
        return False
    return block.is_conditioned or guidance.attention_temperature != 1


def drafts_pay(rows: int, tokens: int, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether predictions of all tokens in bfloat16 are clearly faster than these."""
    return rows * tokens >= DRAFT_ROWS and dtype == torch.float32 and bfloat16_is_faster(device.type)


class Predictor:
    """Predicts the affine map of a block's tokens, chunk by chunk, in the block's own order.

    A prompt runs once, at construction, as the prefix of the key-value cache. With guidance, the conditional and the
    unconditional pass are two halves of one batch, and both continue from the same guided tokens.

    Args:
        block: the block to invert.
        rotary: its table of prefix and image positions; None for a model with learned positions.
        given: text features (B, L, txt_dim) or labels (B,) of the pictures; None for a block without either.
        unconditional: the same of the unconditional pass.
        guidance: how to guide; None for no guidance.
        batch: images B.
        tokens: tokens T of a sequence.
        device: of the computation.
        dtype: of the computation.
        known: (B, n, D), tokens that precede those to be predicted, and are among the T; None for none. They are read
            like the prompt: a sampler sees the tokens after them only.
    """

    def __init__(
        self,
        block: FlowBlock,
        rotary: Rotary | None,
        given: Tensor | None,
        unconditional: Tensor | None,
        guidance: Guidance | None,
        batch: int,
        tokens: int,
        *,
        device: torch.device,
        dtype: torch.dtype,
        known: Tensor | None = None,
    ) -> None:
        self.block, self.rotary, self.guidance, self.tokens = block, rotary, guidance, tokens
        self.device, self.dtype = device, dtype
        self._arguments = (given, unconditional, guidance, batch, tokens)
        self._known = known if known is not None and known.shape[1] else None
        self.rows = batch if guidance is None else 2 * batch  # sequences that run through the transformer
        if guidance is not None and given is not None and unconditional is not None:
            given = torch.cat([given, unconditional])
        self._condition = block.condition(given, dtype)
        cache = block.new_cache(self.rows, self._condition.length + tokens, device=device, dtype=dtype)
        self.cache, self._attention = cache, AttentionState(cache, self._temperature(batch))
        block.read_prefix(self._condition, rotary, self._attention)
        self._read_known()
        self._start = cache.length  # of what samplers append

    @property
    def is_guided(self) -> bool:
        return self.guidance is not None

    @property
    def position(self) -> int:
        """Contexts read so far, those of known tokens not among them."""
        return self.cache.length - self._start

    def start(self, z: Tensor) -> tuple[Tensor, Tensor, int]:
        """The start of sampling: contexts, tokens, and the number f of tokens that need no prediction.

        The tokens (B, T, D), a copy of the noise z, are a view into the contexts: a written token is a context
        at once. Contexts i − f to j − f predict tokens i to j.
        """
        if self._known is not None:
            contexts = torch.cat([self._known[:, -1:], z], dim=1)
            return contexts, contexts[:, 1:], 0
        contexts = self.block.with_start(z)
        free = self.block.free_tokens
        return contexts, contexts[:, 1 - free :], free

    def predict(self, contexts: Tensor) -> Affine:
        """Read the next N contexts (B, N, D) and predict the token of each."""
        contexts = contexts.to(self.dtype)
        if self.guidance is None:
            return self.block.predict(contexts, self._condition, self.rotary, self._attention)
        first = self.position + (self.block.free_tokens if self._known is None else self._known.shape[1])
        both = self.block.predict(contexts.repeat(2, 1, 1), self._condition, self.rotary, self._attention)
        (mean_c, mean_u), (scale_c, scale_u) = both.mean.chunk(2), both.scale.chunk(2)
        place = torch.arange(first, first + contexts.shape[1], device=mean_c.device)[:, None] / max(1, self.tokens - 1)
        return self.guidance(Affine(mean_c, scale_c), Affine(mean_u, scale_u), place)

    def rollback(self, position: int) -> None:
        """Discard all contexts but the first `position`."""
        self.cache.rollback(self._start + position)

    @property
    def drafts_are_faster(self) -> bool:
        return drafts_pay(self.rows, self.tokens, self.device, self.dtype)

    def draft(self) -> Predictor:
        """The same predictor in bfloat16, with a cache of its own."""
        dtype = torch.bfloat16
        rotary = self.rotary and self.rotary.to(dtype)
        block = self.block.copied(self.device, dtype)
        return Predictor(block, rotary, *self._arguments, device=self.device, dtype=dtype, known=self._known)

    def _read_known(self) -> None:
        if self._known is None:
            return
        contexts = self.block.with_start(self._known)[:, :-1].to(self.dtype)
        if self.guidance is not None:
            contexts = contexts.repeat(2, 1, 1)
        for part in contexts.split(READ_AT_ONCE, dim=1):
            self.block.read(part, self._condition, self.rotary, self._attention)

    def _temperature(self, batch: int) -> Tensor | None:
        """Attention temperatures (rows, 1, 1, 1): 1, and the guidance's for the unconditional half."""
        if self.guidance is None or self.guidance.attention_temperature == 1:
            return None
        temperature = torch.ones(self.rows, 1, 1, 1, dtype=self.dtype, device=self.device)
        temperature[batch:] = self.guidance.attention_temperature
        return temperature
