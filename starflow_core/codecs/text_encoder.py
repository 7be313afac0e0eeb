"""Prompts as features: a language model's last hidden states."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from .. import operations as casting
from ..operations import rebuilt
from ..quantization.formats import quantized_parts
from ..weights.tensors import read_json, read_weights, save_tensors
from . import t5
from .tokenizer import PromptTokenizer

REMEMBERED = 64
LONGEST_LINE = 300
LISTED, LONGEST_QUOTE = 8, 40  # words that are not understood, and characters of a prompt, that people are shown
WEIGHTS = "model.safetensors"


class TextEncoder:
    """Encodes prompts with a T5-style encoder, or with a decoder-only language model such as Gemma.

    Prompts are padded or truncated to `tokens`; the features of padding are zero. The last encodings are cached.

    Args:
        model: its output has `last_hidden_state`: a `T5Encoder`, or a model of transformers, such as `GemmaModel`.
        tokenizer: its tokenizer, or one of transformers' fast ones.
        tokens: text tokens L per prompt.
        device: where the model computes, which whoever moves it sets.
        reload: reads the model again; without it, `release` does nothing.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        tokens: int,
        *,
        device: torch.device | str = "cpu",
        reload: Callable[[], Any] | None = None,
    ) -> None:
        is_ours = isinstance(tokenizer, PromptTokenizer)
        self.tokenizer = tokenizer if is_ours else PromptTokenizer.from_transformers(tokenizer, tokens)
        self.tokens, self.device = tokens, torch.device(device)
        self._model, self._reload = model, reload
        self._config = model.config
        self._remembered: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def from_folders(
        cls,
        model: Path,
        tokenizer: Path,
        *,
        tokens: int,
        device: torch.device | str,
        dtype: torch.dtype,
        weight_format: str | None = None,
        operations: Any = casting,
    ) -> TextEncoder:
        """An encoder from folders that transformers wrote; nothing is fetched, and no code in them is run.

        Args:
            model: folder of the language model.
            tokenizer: folder of the tokenizer.
            tokens: text tokens L per prompt.
            device: of the weights and of the computation.
            dtype: of the weights and of the computation; parts that a model must keep in float32 stay in it.
            weight_format: to keep the weights of linear layers in, of a T5; see `quantization`.
            operations: namespace that `Linear` and `Embedding` are taken from.

        Raises:
            ValueError: the folders hold no T5, and no other encoder that transformers can load.
        """

        def read() -> Any:
            return _read_model(model, device, dtype, weight_format, operations)

        with _told_of(model):
            return cls(read(), PromptTokenizer.from_folder(tokenizer, tokens), tokens, device=device, reload=read)

    @property
    def model(self) -> Any:
        """The language model, read again where it was released."""
        with self._lock:
            if self._model is None:
                assert self._reload is not None
                self._model = self._reload()
            return self._model

    def release(self) -> None:
        """Free the model's memory. Encoding a prompt that is not cached reads the model again."""
        with self._lock:
            if self._reload is not None:
                self._model = None

    @property
    def dim(self) -> int:
        """Width of a feature."""
        config = self._config
        return int(getattr(config, "d_model", None) or config.hidden_size)

    @torch.inference_mode(False)  # features are cached, and may be used later where gradients are computed
    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Features (B, L, dim) of the prompts, float32, on the encoder's device.

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
        """Whether a prompt's features are cached."""
        with self._lock:
            return prompt in self._remembered

    def is_truncated(self, prompt: str) -> bool:
        """Whether a prompt has more tokens than the model reads."""
        return len(self.tokenizer.ids(prompt)) > self.tokens

    def unread(self, prompt: str) -> list[str]:
        """What of a prompt the model does not read, in sentences for people; none where it reads all of it."""
        begins = f"“{_shortened(prompt)}”"
        remarks = []
        if self.is_truncated(prompt):
            remarks.append(f"Only the first {self.tokens} tokens of {begins} are read.")
        if self.tokenizer.knows_none(prompt):
            remarks.append(f"No word of {begins} is understood; it counts as no prompt.")
        elif words := self.tokenizer.unknown_words(prompt):
            listed = ", ".join(f"“{_shortened(word)}”" for word in words[:LISTED])
            more = f" and {len(words) - LISTED} more" if len(words) > LISTED else ""
            remarks.append(f"Not understood in {begins}: {listed}{more}.")
        return remarks

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
        """Token ids and mask, (B, L) each, on the encoder's device."""
        ids, masks = zip(*(self.tokenizer.padded(prompt) for prompt in prompts), strict=True)
        return torch.tensor(ids).to(self.device), torch.tensor(masks).to(self.device)

    def save(self, model: Path, tokenizer: Path, *, dtype: torch.dtype | None = None) -> None:
        """Write the folders that `from_folders` reads, and transformers as well.

        Args:
            model: folder of the language model.
            tokenizer: folder of the tokenizer.
            dtype: of the weights on disk; by default unchanged.
        """
        if isinstance(self.model, t5.T5Encoder):
            model.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.model.config.to_dict(), indent=2) + "\n"
            (model / "config.json").write_text(text, encoding="utf-8")
            weights = self.model.state_dict()
            few_bits = quantized_parts(weights)
            tensors = {
                name: tensor.to("cpu", None if name in few_bits else dtype).contiguous()
                for name, tensor in weights.items()
            }
            save_tensors(tensors, model / WEIGHTS, {"format": "pt"})
        else:
            # A copy, since the one in use must keep its dtype; copied whole, so that shared weights are stored once.
            stored = self.model if dtype is None else copy.deepcopy(self.model).to(dtype)
            stored.save_pretrained(model)
        self.tokenizer.save(tokenizer)


@torch.inference_mode(False)
def _read_model(
    folder: Path, device: torch.device | str, dtype: torch.dtype, weight_format: str | None, operations: Any
) -> Any:
    names = read_json(folder, "config.json")
    if names.get("model_type") not in t5.TYPES:
        if weight_format is not None:
            raise ValueError(f"only a T5 can be kept in {weight_format}; give the text encoder a dtype.")
        return _read_by_transformers(folder, device, dtype, operations)
    config, weights = t5.T5Config.from_dict(names), read_weights(folder, WEIGHTS)
    how: dict[str, Any] = {"device": device, "dtype": dtype, "operations": operations}
    return t5.T5Encoder.from_state_dict(config, weights, weight_format=weight_format, **how)


def _read_by_transformers(folder: Path, device: torch.device | str, dtype: torch.dtype, operations: Any) -> Any:
    import transformers  # takes longer than all else that a T5 needs

    with _no_progress_bar():
        loaded, report = transformers.AutoModel.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    if absent := [*report["missing_keys"], *report["mismatched_keys"]]:
        raise ValueError(f"the weights are not those of this text encoder: {absent[0]} is missing or wrong.")
    loaded = loaded.to(device).eval().requires_grad_(False)  # in the dtype, but for what must stay in float32
    return rebuilt(loaded, operations)


@contextmanager
def _told_of(folder: Path) -> Iterator[None]:
    """Turn errors into a message that names the encoder."""
    try:
        yield
    except Exception as error:  # transformers raises all kinds
        raise ValueError(f"The text encoder in {folder.parent} cannot be loaded: {first_line(error)}") from error


def masked_features(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Last hidden states (B, L, dim) of token ids (B, L), zero at padding, float32."""
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return hidden.float().masked_fill(mask[..., None] == 0, 0.0)  # not a product, which would keep NaN at padding


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
    """The first line of a text that may have many."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"
