"""Prompts as features: a language model's last hidden states, over transformers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

REMEMBERED = 64


class TextEncoder:
    """Encodes prompts with a T5-style encoder, or with a decoder-only language model such as Gemma.

    Prompts are padded and truncated to `tokens`; the features of padding are zero. The last encodings are remembered.

    Args:
        model: a transformers model whose output has `last_hidden_state`, such as `T5EncoderModel` or `GemmaModel`.
        tokenizer: its transformers tokenizer.
        tokens: text tokens L a prompt.
    """

    def __init__(self, model: Any, tokenizer: Any, tokens: int) -> None:
        self.model, self.tokenizer, self.tokens = model, tokenizer, tokens
        self._remembered: OrderedDict[str, Tensor] = OrderedDict()

    @property
    def dim(self) -> int:
        """Width of a feature."""
        config = self.model.config
        return int(getattr(config, "d_model", None) or config.hidden_size)

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Features (B, L, dim) of the prompts, float32, on the model's device.

        Prompts are encoded one by one, so that a prompt's features do not depend on its neighbours.

        Raises:
            ValueError: a prompt is no text.
        """
        for prompt in prompts:
            if not isinstance(prompt, str):
                raise ValueError(f"A prompt must be text, but one is {type(prompt).__name__}.")
        return torch.stack([self._features(prompt) for prompt in prompts])

    def is_truncated(self, prompt: str) -> bool:
        """Whether a prompt has more tokens than the model reads."""
        return len(self.tokenizer(prompt, truncation=False, verbose=False)["input_ids"]) > self.tokens

    def _features(self, prompt: str) -> Tensor:
        if prompt in self._remembered:
            self._remembered.move_to_end(prompt)
            return self._remembered[prompt]
        ids, mask = self.tokenize([prompt])
        features = masked_features(self.model, ids, mask)[0]
        self._remembered[prompt] = features
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return features

    def tokenize(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token ids and mask, (B, L) each, on the model's device."""
        batch = self.tokenizer(
            [_encodable(prompt) for prompt in prompts],
            padding="max_length",
            max_length=self.tokens,
            truncation=True,
            return_tensors="pt",
        )
        device = self.model.device
        return batch["input_ids"].to(device), batch["attention_mask"].to(device)


def masked_features(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Last hidden states (B, L, dim) of token ids (B, L), zero at padding, float32."""
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return hidden.float() * mask[..., None]


def _encodable(prompt: str) -> str:
    """Without lone surrogates, which are no characters and which tokenizers refuse."""
    return prompt.encode("utf-8", "ignore").decode("utf-8")
