"""Prompts → token ids, by the `tokenizers` library, which transformers' fast tokenizers use."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

TOKENIZER, CONFIG, SPECIAL = "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"


@dataclass(frozen=True)
class PromptTokenizer:
    """Token ids of prompts, truncated or padded to a length; safe to use from several threads.

    Attributes:
        backend: cuts texts into tokens.
        length: tokens L a prompt.
        pad: the token that fills short prompts.
        unknown: the token of unknown words; None where there are none.
        pads_left: padding comes before the prompt.
    """

    backend: Tokenizer
    length: int
    pad: str
    unknown: str | None = None
    pads_left: bool = False

    @classmethod
    def from_folder(cls, folder: Path, length: int) -> PromptTokenizer:
        """The tokenizer in a folder that transformers wrote. Padding stands after prompts, whatever the folder says.

        Raises:
            ValueError: the folder holds none, or one without a token for padding.
        """
        try:
            backend = Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # tokenizers raises even a bare Exception
            raise ValueError(f"{folder / TOKENIZER} is no tokenizer: {error}.") from error
        named = _special_tokens(folder)
        pad = named.get("pad_token") or named.get("eos_token")
        if pad is None or backend.token_to_id(pad) is None:
            raise ValueError(f"{folder / CONFIG} names no token of {TOKENIZER} for padding, 'pad_token'.")
        return cls(backend, length, pad, named.get("unk_token"))

    @classmethod
    def from_transformers(cls, tokenizer: Any, length: int) -> PromptTokenizer:
        """The same tokenizer as one of transformers' fast ones.

        Raises:
            ValueError: it has no token for padding.
        """
        pad = tokenizer.pad_token or tokenizer.eos_token
        if pad is None:
            raise ValueError("The tokenizer has no token for padding; set its pad_token.")
        pads_left = tokenizer.padding_side == "left"
        return cls(tokenizer.backend_tokenizer, length, pad, tokenizer.unk_token, pads_left)

    def ids(self, prompt: str, *, with_special_tokens: bool = True) -> list[int]:
        """All tokens of a prompt, neither cut nor padded."""
        ids: list[int] = self._whole.encode(_encodable(prompt), add_special_tokens=with_special_tokens).ids
        return ids

    def padded(self, prompt: str) -> tuple[list[int], list[int]]:
        """L token ids, and a mask that is 0 at padding."""
        encoding = self._cut.encode(_encodable(prompt))
        return encoding.ids, encoding.attention_mask

    def unknown_words(self, prompt: str) -> list[str]:
        """The words that have no token of their own, each once, as the prompt spells them; marks are no words."""
        if self.unknown is None:
            return []
        text, unknown = _encodable(prompt), self.backend.token_to_id(self.unknown)
        encoding = self._whole.encode(text, add_special_tokens=False)
        places = (place for token, place in zip(encoding.ids, encoding.offsets, strict=True) if token == unknown)
        return [word for word in dict.fromkeys(text[start:end].strip() for start, end in places) if _is_word(word)]

    def knows_none(self, prompt: str) -> bool:
        """Whether a prompt has words, and none that is known."""
        ids = self.ids(prompt, with_special_tokens=False)
        unknown = self.unknown and self.backend.token_to_id(self.unknown)
        return bool(ids) and all(token == unknown for token in ids)

    def save(self, folder: Path) -> None:
        """Write a folder that this and transformers can read."""
        folder.mkdir(parents=True, exist_ok=True)
        self._cut.save(str(folder / TOKENIZER))
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": self.length,
            "pad_token": self.pad,
            **({"unk_token": self.unknown} if self.unknown else {}),
        }
        (folder / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    # A tokenizer stores its truncation and padding, which one thread would change for another: so there are two.

    @cached_property
    def _whole(self) -> Tokenizer:
        copy = Tokenizer.from_str(self.backend.to_str())
        copy.no_truncation()
        copy.no_padding()
        return copy

    @cached_property
    def _cut(self) -> Tokenizer:
        copy = Tokenizer.from_str(self.backend.to_str())
        copy.enable_truncation(self.length)
        copy.enable_padding(
            direction="left" if self.pads_left else "right",
            pad_id=copy.token_to_id(self.pad),
            pad_token=self.pad,
            length=self.length,
        )
        return copy


def _special_tokens(folder: Path) -> dict[str, str]:
    """The tokens that the folder's files name, by their role."""
    named: dict[str, str] = {}
    for file in (SPECIAL, CONFIG):
        if (folder / file).is_file():
            content = json.loads((folder / file).read_text(encoding="utf-8"))
            for role in ("pad_token", "eos_token", "unk_token"):
                token = content.get(role)
                token = token.get("content") if isinstance(token, dict) else token
                if isinstance(token, str):
                    named[role] = token
    return named


def _is_word(text: str) -> bool:
    """Whether there is more in it than punctuation and space."""
    return any(unicodedata.category(character)[0] not in "PZ" for character in text)


def _encodable(prompt: str) -> str:
    """The text without lone surrogates, which tokenizers refuse."""
    return prompt.encode("utf-8", "ignore").decode("utf-8")
