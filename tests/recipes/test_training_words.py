"""Captions, the tokenizer, and what is held out."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers import PreTrainedTokenizerFast

from recipes import captions, held_out, text, variants
from recipes.colours import COLOURS, dominant_hue, nearest_colour, recoloured
from recipes.data import Dataset
from recipes.held_out import HeldOut
from recipes.subjects import Subject

HEART = Subject("red heart", ("love", "like", "valentine"), "❤", "2764.png", "heart")
DOG = Subject("smiling dog face", ("puppy", "pet"), "🐶", "dog.png", "animal-mammal")
GREEN = (40, 180, 60)


def square(colour: tuple[int, int, int] = GREEN) -> np.ndarray:
    image = np.full((16, 16, 3), 255, np.uint8)
    image[4:12, 4:12] = colour
    return image


def some_captions(subject: Subject, colour: str | None = None, style: str | None = None) -> set[str]:
    rng = random.Random(0)
    return {captions.caption(subject, rng, colour, style) for _ in range(2000)}


def test_captions_are_made_of_the_subjects_words() -> None:
    found = some_captions(HEART)
    assert {"red heart", "❤", "a red heart", "heart", "red", "red heart emoji"} < found
    assert len(found) > 100
    framing = {word for frame in captions.FRAMES for word in frame.split()}
    allowed = {"red", "heart", "love", "like", "valentine", "❤"} | framing
    assert all(set(caption.split()) <= allowed for caption in found)
    assert all(found)


def test_captions_drop_words_and_change_their_order() -> None:
    found = some_captions(DOG)
    assert {"dog face", "face dog", "smiling dog", "face smiling"} < found
    assert any(caption.startswith("puppy") for caption in found)


def test_colour_is_named_in_every_caption() -> None:
    found = some_captions(DOG, "blue")
    assert all("blue" in caption.split() for caption in found)
    assert {"blue smiling dog face", "smiling dog face blue", "a blue smiling dog face", "blue 🐶"} < found


def test_style_is_named_in_half_of_the_captions() -> None:
    rng = random.Random(0)
    named = sum("noto" in captions.caption(DOG, rng, style="noto").split() for _ in range(1000))
    assert 420 < named < 580


@pytest.fixture(scope="module")
def tokens() -> PreTrainedTokenizerFast:
    return text.build_tokenizer([HEART, DOG, Subject("box", ("berry", "leaf", "shoe"), "1\ufe0f\u20e3", "b", "x")], 8)


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
    ids = tokens(written)["input_ids"]
    assert ids == tokens(same_as)["input_ids"]
    assert len(ids) == len(same_as.split()) + 1


def test_words_and_emoji_of_the_captions_are_known(tokens: PreTrainedTokenizerFast) -> None:
    for words in ("Red HEART, love! ❤️", "a picture of an image", "purple orange", "1️⃣", "noto style", "puppies"):
        assert tokens.unk_token_id not in tokens(words)["input_ids"], words


def test_other_words_and_emoji_are_unknown(tokens: PreTrainedTokenizerFast) -> None:
    for words in ("zebra", "🚀", "1"):
        assert tokens(words)["input_ids"] == [tokens.unk_token_id, tokens.eos_token_id]
    assert tokens("")["input_ids"] == tokens("?!…")["input_ids"] == [tokens.eos_token_id]


def test_recoloured_picture_has_the_colour_that_is_named() -> None:
    for colour, hue in COLOURS.items():
        image = recoloured(square(), colour)
        assert (image[0, 0] == 255).all()  # white stays white
        found = dominant_hue(image)
        assert found is not None
        assert abs((found - hue + 180) % 360 - 180) < 4
        assert nearest_colour(found) == colour


def test_hues_beyond_the_last_colour_are_near_the_first() -> None:
    assert nearest_colour(355) == "red"
    assert nearest_colour(340) == "pink"


def test_grey_and_many_coloured_pictures_have_no_dominant_hue() -> None:
    grey = np.full((16, 16, 3), 128, np.uint8)
    assert dominant_hue(grey) is None
    rainbow = np.asarray(
        Image.merge("HSV", [Image.linear_gradient("L"), *[Image.new("L", (256, 256), 255)] * 2]).convert("RGB")
    )
    assert dominant_hue(rainbow) is None
    with pytest.raises(ValueError, match="without a dominant hue"):
        recoloured(grey, "red")


def many(count: int) -> Dataset:
    return Dataset([Subject(f"thing {i}", (), "x", "x", "x") for i in range(count)], np.stack([square()] * count))


def test_share_of_subjects_and_pairs_is_held_out() -> None:
    chosen = held_out.choose(many(1000), subjects=0.05, pairs=0.1)
    assert 30 < len(chosen.subjects) < 70
    pairs = sum(map(len, chosen.pairs.values()))
    assert 0.08 < pairs / (7 * (1000 - len(chosen.subjects))) < 0.12
    assert not chosen.subjects & set(chosen.pairs)


def test_what_is_held_out_depends_on_names_only() -> None:
    half, whole = held_out.choose(many(500)), held_out.choose(many(1000))
    assert half.subjects < whole.subjects
    assert half.pairs.items() <= whole.pairs.items()


def test_list_survives_its_file(tmp_path: Path) -> None:
    chosen = held_out.choose(many(100))
    chosen.save(tmp_path / "held_out.json")
    assert HeldOut.load(tmp_path / "held_out.json") == chosen


def test_held_out_pairs_and_coloured_names_are_never_recoloured() -> None:
    left_out = HeldOut(frozenset(), {DOG.name: ("blue", "pink")})
    assert left_out.colours(DOG, square()) == ["red", "orange", "yellow", "green", "purple"]
    assert left_out.colours(HEART, square()) == []
    assert left_out.colours(DOG, square((90, 90, 90))) == []
    made = variants.variants_of(DOG, square(), left_out, random.Random(0))
    assert set(made) == {None, "red", "orange", "yellow", "green", "purple"}
    assert all(
        len(pictures) > 1 and (pictures[0] == recoloured(square(), c)).all() for c, pictures in made.items() if c
    )


def test_directions_and_signs_are_not_mirrored() -> None:
    def subject(name: str, group: str) -> Subject:
        return Subject(name, (), "x", "x", group)

    assert variants.may_be_mirrored(DOG)
    assert not variants.may_be_mirrored(subject("left-facing fist", "hand-fingers-closed"))
    assert not variants.may_be_mirrored(subject("arrow", "arrow"))
    assert not variants.may_be_mirrored(subject("a button", "alphanum"))


def test_list_in_the_repository_is_of_the_named_shares() -> None:
    content = json.loads((Path(held_out.__file__).parent / "held_out.json").read_text())
    assert 70 <= len(content["subjects"]) <= 100
    assert all(set(colours) <= set(COLOURS) for colours in content["pairs"].values())
