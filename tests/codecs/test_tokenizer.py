"""Prompts as token ids, against transformers' fast tokenizers."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from starflow_core.codecs.tokenizer import PromptTokenizer
from starflow_core.weights.model_folder import EMBEDDED

FOLDER = EMBEDDED / "starflow-mini" / "tokenizer"
PROMPTS = ["", "a red heart", "❤️", "xyzzy", "dog " * 40, "Café 赤いハート\n\t", "</s> <pad> cat", "a\x00b", "🐈‍⬛"]


@pytest.fixture
def tokenizer() -> PromptTokenizer:
    return PromptTokenizer.from_folder(FOLDER, 16)


@pytest.mark.parametrize("length", [1, 2, 16, 128])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_tokens_are_those_of_transformers(prompt: str, length: int) -> None:
    ours, theirs = PromptTokenizer.from_folder(FOLDER, length), PreTrainedTokenizerFast.from_pretrained(FOLDER)
    expected = theirs(prompt, padding="max_length", max_length=length, truncation=True)
    assert ours.padded(prompt) == (expected["input_ids"], expected["attention_mask"])
    assert ours.ids(prompt) == theirs(prompt, padding=False, truncation=False, verbose=False)["input_ids"]
    assert PromptTokenizer.from_transformers(theirs, length).padded(prompt) == ours.padded(prompt)


def test_length_is_right_from_many_threads(tokenizer: PromptTokenizer) -> None:
    long = "dog " * 40

    def mixed(number: int) -> tuple[int, int, int]:
        return len(tokenizer.padded(long)[0]), len(tokenizer.ids(long)), len(tokenizer.ids("dog"))

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(mixed, range(400))) == {(16, 41, 2)}


def test_backend_is_left_as_it_was() -> None:
    theirs = PreTrainedTokenizerFast.from_pretrained(FOLDER)
    before = theirs.backend_tokenizer.to_str()
    PromptTokenizer.from_transformers(theirs, 5).padded("a red heart")
    assert theirs.backend_tokenizer.to_str() == before


def test_padding_may_stand_on_the_left() -> None:
    theirs = PreTrainedTokenizerFast.from_pretrained(FOLDER, padding_side="left")
    ids, mask = PromptTokenizer.from_transformers(theirs, 16).padded("a red heart")
    assert mask == [0] * (16 - sum(mask)) + [1] * sum(mask)
    assert ids == theirs("a red heart", padding="max_length", max_length=16)["input_ids"]


def test_lone_surrogates_are_left_out(tokenizer: PromptTokenizer) -> None:
    assert tokenizer.ids("a \ud83d cat") == tokenizer.ids("a  cat")


def test_saved_folder_is_read_by_both(tokenizer: PromptTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "new")
    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path / "new")
    for prompt in PROMPTS:
        expected = tokenizer.padded(prompt)
        assert PromptTokenizer.from_folder(tmp_path / "new", 16).padded(prompt) == expected
        assert theirs(prompt, padding="max_length", max_length=16, truncation=True)["input_ids"] == expected[0]
    assert PromptTokenizer.from_folder(tmp_path / "new", 16).knows_none("xyzzy")


def test_unknown_words_are_those_of_the_prompt_as_it_spells_them(tokenizer: PromptTokenizer) -> None:
    assert tokenizer.unknown_words("A Xyzzy, a cat and ÄRGER-plugh!\n赤い 🦖 xyzzy Xyzzy") == [
        *("Xyzzy", "ÄRGER", "plugh", "赤い", "xyzzy")
    ]
    assert (
        tokenizer.unknown_words("a red heart") == tokenizer.unknown_words("") == tokenizer.unknown_words("\ud83d") == []
    )
    assert replace(tokenizer, unknown=None).unknown_words("xyzzy") == []


def changed(folder: Path, **names: object) -> Path:
    shutil.copytree(FOLDER, folder)
    (folder / "tokenizer_config.json").write_text(json.dumps(names))
    return folder


@pytest.mark.parametrize("names", [{"eos_token": "</s>"}, {"pad_token": {"content": "<pad>"}}])
def test_padding_is_the_end_where_there_is_none_and_may_be_described(tmp_path: Path, names: dict[str, object]) -> None:
    tokenizer = PromptTokenizer.from_folder(changed(tmp_path / "t", **names), 4)
    assert tokenizer.padded("")[0] == ([1, 1, 1, 1] if "eos_token" in names else [1, 0, 0, 0])


def test_older_folders_name_their_tokens_in_a_file_of_its_own(tmp_path: Path) -> None:
    folder = changed(tmp_path / "t")
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": "<pad>", "unk_token": "<unk>"}))
    assert PromptTokenizer.from_folder(folder, 4).padded("xyzzy")[0] == [2, 1, 0, 0]


def test_folder_without_padding_or_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"names no token of tokenizer\.json for padding"):
        PromptTokenizer.from_folder(changed(tmp_path / "t", pad_token="<nope>"), 4)
    (tmp_path / "t" / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match="is no tokenizer"):
        PromptTokenizer.from_folder(tmp_path / "t", 4)
