"""Prompts as features: a language model's last hidden states, over transformers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor

REMEMBERED = 64
LONGEST_LINE = 300
T5_TYPES = ("t5", "mt5", "umt5")


class TextEncoder:
    """Encodes prompts with a T5-style encoder, or with a decoder-only language model such as Gemma.

    Prompts are padded and truncated to `tokens`; the features of padding are zero. The last encodings are remembered.

    Args:
        model: a transformers model whose output has `last_hidden_state`, such as `T5EncoderModel` or `GemmaModel`.
        tokenizer: its transformers tokenizer.
        tokens: text tokens L a prompt.
        reload: reads the model again; without it, `release` does nothing.
    """

    def __init__(self, model: Any, tokenizer: Any, tokens: int, *, reload: Callable[[], Any] | None = None) -> None:
        self.tokenizer, self.tokens = tokenizer, tokens
        self._model, self._reload = model, reload
        self._config, self._device = model.config, model.device
        self._remembered: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def from_folders(
        cls, model: Path, tokenizer: Path, *, tokens: int, device: torch.device | str, dtype: torch.dtype
    ) -> TextEncoder:
        """An encoder from folders that transformers wrote; nothing is fetched, and no code in them is run.

        Raises:
            ValueError: the folders hold no encoder that transformers can load, or one without `last_hidden_state`.
        """

        def read() -> Any:
            return _read_model(model, device, dtype)

        return cls(read(), _read_tokenizer(tokenizer), tokens, reload=read)

    @property
    def model(self) -> Any:
        """The language model, read again where it was released."""
        with self._lock:
            if self._model is None:
                assert self._reload is not None
                self._model = self._reload()
            return self._model

    def release(self) -> None:
        """Let go of the model's memory, until prompts other than the remembered ones are encoded."""
        with self._lock:
            if self._reload is not None:
                self._model = None

    @property
    def dim(self) -> int:
        """Width of a feature."""
        config = self._config
        return int(getattr(config, "d_model", None) or config.hidden_size)

    @property
    def device(self) -> torch.device:
        """Where the model is, which whoever shares a device's memory may have moved; or was, when it was released."""
        model = self._model
        if model is not None:
            self._device = model.device
        return self._device

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Features (B, L, dim) of the prompts, float32, on the model's device.

        Prompts are encoded one by one, so that a prompt's features do not depend on its neighbours.

        Raises:
            ValueError: a prompt is no text.
        """
        if isinstance(prompts, str) or not prompts:
            raise ValueError(f"prompts is {prompts!r}; it must be a list of one or more texts.")
        for prompt in prompts:
            if not isinstance(prompt, str):
                raise ValueError(f"A prompt must be text, but one is {type(prompt).__name__}.")
        return torch.stack([self._features(prompt).to(self.device) for prompt in prompts])

    def remembers(self, prompt: str) -> bool:
        """Whether a prompt's features are known without the model."""
        with self._lock:
            return prompt in self._remembered

    def is_truncated(self, prompt: str) -> bool:
        """Whether a prompt has more tokens than the model reads."""
        return len(self.tokenizer(_encodable(prompt), truncation=False, verbose=False)["input_ids"]) > self.tokens

    def is_unknown(self, prompt: str) -> bool:
        """Whether a prompt has words and the model knows none of them."""
        ids = self.tokenizer(_encodable(prompt), add_special_tokens=False, verbose=False)["input_ids"]
        return bool(ids) and all(token == self.tokenizer.unk_token_id for token in ids)

    def _features(self, prompt: str) -> Tensor:
        with self._lock:
            if prompt in self._remembered:
                self._remembered.move_to_end(prompt)
                return self._remembered[prompt]
        ids, mask = self.tokenize([prompt])
        features = masked_features(self.model, ids, mask)[0]
        with self._lock:
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
        return batch["input_ids"].to(self.device), batch["attention_mask"].to(self.device)


def _read_model(folder: Path, device: torch.device | str, dtype: torch.dtype) -> Any:
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        kind = transformers.T5EncoderModel if config.model_type in T5_TYPES else transformers.AutoModel
        with _no_progress_bar():
            loaded, report = kind.from_pretrained(
                folder,
                config=config,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
            )
    except Exception as error:  # transformers raises all kinds
        raise ValueError(f"The text encoder in {folder.parent} cannot be loaded: {first_line(error)}") from error
    if absent := [*report["missing_keys"], *report["mismatched_keys"]]:
        raise ValueError(
            f"The weights in {folder} are not those of this text encoder: {absent[0]} is missing or wrong."
        )
    return loaded.to(device=device, dtype=dtype).eval().requires_grad_(False)


def _read_tokenizer(folder: Path) -> Any:
    import transformers

    try:
        words = transformers.PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # tokenizers raises even a bare Exception
        raise ValueError(f"The text encoder in {folder.parent} cannot be loaded: {first_line(error)}") from error
    if words.pad_token is None:
        words.pad_token = words.eos_token
    words.padding_side = "right"  # language models pad to the left, which would move the positions of the words
    return words


def masked_features(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Last hidden states (B, L, dim) of token ids (B, L), zero at padding, float32."""
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return hidden.float().masked_fill(mask[..., None] == 0, 0.0)  # a product would keep NaN at padding


def _encodable(prompt: str) -> str:
    """Without lone surrogates, which are no characters and which tokenizers refuse."""
    return prompt.encode("utf-8", "ignore").decode("utf-8")


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Keep transformers from drawing a bar of its own for what takes a moment."""
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()


def first_line(error: Exception) -> str:
    """The beginning of what may be a page of text."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"
