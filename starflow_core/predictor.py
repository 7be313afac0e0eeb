"""What a sampler sees of a block: predictions of tokens from contexts, with cache, text and guidance inside."""

from __future__ import annotations

import torch
from torch import Tensor

from .block import Affine, FlowBlock
from .guidance import guided
from .precision import bfloat16_is_faster
from .rotary import Rotary


class Predictor:
    """Predicts the affine map of a block's tokens, chunk by chunk, in the block's own order.

    The prompt is run once, at construction, as the prefix of the key-value cache. With guidance, prompt and
    unconditional text are two halves of one batch, and both go on from the same guided tokens.

    Args:
        block: the block to invert.
        rotary: its table of text and image positions; None for a model with learned positions.
        text: features of the prompts (B, L, txt_dim); None for a block without text.
        unconditional: features of the empty or negative prompt (B, L, txt_dim), where guidance is wanted.
        guidance: strength w ≥ 0.
        batch: images B.
        tokens: tokens T of an image.
    """

    def __init__(
        self,
        block: FlowBlock,
        rotary: Rotary | None,
        text: Tensor | None,
        unconditional: Tensor | None,
        guidance: float,
        batch: int,
        tokens: int,
    ) -> None:
        self.block, self.rotary, self.guidance = block, rotary, guidance
        self._arguments = (text, unconditional, guidance, batch, tokens)
        self.is_guided = False
        if text is not None and unconditional is not None and guidance > 0:
            self.is_guided = True
            text = torch.cat([text, unconditional])
        self.text_tokens = text.shape[1] if text is not None else 0
        self.rows = 2 * batch if self.is_guided else batch  # sequences that run through the transformer
        self.cache = block.new_cache(self.rows, self.text_tokens + tokens)
        if text is not None:
            block.read_text(text, rotary, self.cache)

    @property
    def device(self) -> torch.device:
        return self.block.proj_in.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return self.block.proj_in.weight.dtype

    @property
    def position(self) -> int:
        """Contexts read so far."""
        return self.cache.length - self.text_tokens

    def start(self, z: Tensor) -> tuple[Tensor, Tensor, int]:
        """What sampling begins with: contexts, tokens and the number f of tokens that need no prediction.

        The tokens (B, T, D), a copy of the noise z, are a view into the contexts, so that a token written is a context
        at once. Tokens i to j are predicted from contexts i − f to j − f.
        """
        contexts = self.block.with_start(z)
        free = self.block.free_tokens
        return contexts, contexts[:, 1 - free :], free

    def predict(self, contexts: Tensor) -> Affine:
        """Read the next N contexts (B, N, D) and predict the token of each."""
        if not self.is_guided:
            return self.block.predict(contexts, self.rotary, self.cache, self.text_tokens)
        both = self.block.predict(contexts.repeat(2, 1, 1), self.rotary, self.cache, self.text_tokens)
        mean_c, mean_u = both.mean.chunk(2)
        scale_c, scale_u = both.scale.chunk(2)
        return guided(Affine(mean_c, scale_c), Affine(mean_u, scale_u), self.guidance)

    def rollback(self, position: int) -> None:
        """Forget all contexts but the first `position`."""
        self.cache.rollback(self.text_tokens + position)

    @property
    def drafts_are_faster(self) -> bool:
        """Whether predictions in bfloat16 would be clearly faster than these."""
        return self.dtype == torch.float32 and bfloat16_is_faster(self.device.type)

    def draft(self) -> Predictor:
        """The same predictor in bfloat16, with a cache of its own."""
        block = self.block.in_dtype(torch.bfloat16)
        return Predictor(block, self.rotary and self.rotary.to(torch.bfloat16), *self._arguments)
