"""The tokenizer of the small text encoder, and what its words mean to it."""

from __future__ import annotations

import random

import pytest
import torch
from tiny_pictures import sentence_embeddings
from transformers import PreTrainedTokenizerFast

from recipes import meaning, text

WORDS = ["red", "heart", "love", "like", "dog", "face", "puppy", "box", "berry", "leaf", "shoe", "a", "picture of an"]
NAMES = {"❤": "red heart", "🐶": "dog face", "1️⃣": "keycap 1"}


@pytest.fixture(scope="module")
def vocabulary() -> text.Vocabulary:
    return text.Vocabulary.of_words(WORDS, NAMES)


@pytest.fixture(scope="module")
def tokens(vocabulary: text.Vocabulary) -> PreTrainedTokenizerFast:
    return vocabulary.tokenizer(8)


@pytest.mark.parametrize(
    ("written", "same_as"),
    [
        ("Red   HEART.", "red heart"),
        ("dogs", "dog"),
        ("boxes", "box"),
        ("berries", "berry"),
        ("leaves", "leaf"),
        ("shoes", "shoe"),
        ("a dog's face", "a dog face"),
        ("❤️", "❤"),
        ("❤🐶", "❤ 🐶"),
        ("🐶\U0001f3fd", "🐶"),
        ("love, like!", "love like"),
    ],
)
def test_ways_to_write_the_same_are_the_same_tokens(
    tokens: PreTrainedTokenizerFast, written: str, same_as: str
) -> None:
    known = [i for i in tokens(written)["input_ids"] if i != tokens.unk_token_id]
    assert known == tokens(same_as)["input_ids"]
    assert len(known) == len(same_as.split()) + 1


def test_words_and_emoji_of_the_captions_are_known(tokens: PreTrainedTokenizerFast) -> None:
    for words in ("Red HEART, love! ❤️", "a picture of an", "1️⃣", "puppies"):
        assert tokens.unk_token_id not in tokens(words)["input_ids"], words


def test_other_words_and_emoji_are_unknown(tokens: PreTrainedTokenizerFast) -> None:
    for words in ("zebra", "🚀", "1"):
        assert tokens(words)["input_ids"] == [tokens.unk_token_id, tokens.eos_token_id]
    assert tokens("")["input_ids"] == tokens("?!…")["input_ids"] == [tokens.eos_token_id]


def test_tokens_stand_for_the_shortest_of_their_words_and_emoji_for_their_names() -> None:
    meanings = text.Vocabulary.of_words(["cats", "cat", "berries"], {"❤": "red heart"}).meanings
    assert list(meanings)[:3] == list(text.SPECIAL)
    assert (meanings["cat"], meanings["beri"] if "beri" in meanings else meanings["berri"]) == ("cat", "berries")
    assert meanings["❤"] == "red heart"


def test_order_of_the_tokens_survives_a_file(vocabulary: text.Vocabulary) -> None:
    again = text.Vocabulary(dict(vocabulary.meanings)).tokenizer(8)
    assert again.get_vocab() == vocabulary.tokenizer(8).get_vocab()


def test_word_that_no_caption_has_keeps_what_it_means(
    vocabulary: text.Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning, "sentence_embeddings", sentence_embeddings)
    fixed = vocabulary.embeddings(4)
    assert fixed.shape == (len(vocabulary.meanings), 4)
    assert (fixed[: len(text.SPECIAL)] == 0).all()
    assert float(fixed[len(text.SPECIAL) :].square().mean()) == pytest.approx(1, abs=1e-4)
    embedding = text.DistilledEmbedding(fixed, 6)
    ids = torch.arange(len(fixed))
    torch.testing.assert_close(embedding(ids), embedding.weight)
    torch.testing.assert_close(embedding.weight, fixed @ embedding.map.weight.T)
    embedding.own.data[5] += 1
    torch.testing.assert_close(embedding(torch.tensor([5]))[0], (fixed[5] @ embedding.map.weight.T) + 1)


def test_principal_components_keep_the_distances() -> None:
    flat = torch.randn(50, 3) @ torch.randn(3, 20)
    reduced = meaning.principal_components(flat, 3)
    ratio = torch.pdist(flat) / torch.pdist(reduced)
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-3, atol=0)


def test_share_of_words_becomes_unknown() -> None:
    caption = "red heart " * 100
    assert text.with_unknown_words(caption, 0.0, random.Random(0)).split() == caption.split()
    assert set(text.with_unknown_words(caption, 1.0, random.Random(0)).split()) == {text.UNKNOWN}
    some = text.with_unknown_words(caption, 0.3, random.Random(0)).split()
    assert 0.15 < some.count(text.UNKNOWN) / len(some) < 0.45
