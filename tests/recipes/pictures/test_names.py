"""Names as people would say them."""

from __future__ import annotations

import pytest

from recipes.pictures import avatars, emoji, names, vocabulary


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ice-cream", "ice cream"),
        ("iceCream_01", "ice cream"),
        ("paper-money-two", "paper money"),
        ("thumbs_up (b and w)", "thumbs up"),
        ("camera-48", "camera"),
        ("lamp-2-flat", "lamp"),
        ("HTMLFile", "html file"),
        ("two", "two"),
        ("a", "letter a"),
        ("7", "number 7"),
        ("0001", ""),
        ("--", ""),
        ("o'clock", "o'clock"),
    ],
)
def test_names_of_files_become_words(name: str, said: str):
    assert names.cleaned(name, ("two", "flat")) == said


def test_joined_words_are_split_by_known_ones():
    known = {"wolf": 5, "face": 50, "with": 40, "tears": 3, "grin": 4, "in": 20, "rin": 1, "g": 1}
    assert names.split("wolfface", known) == "wolf face"
    assert names.split("grinwithtears", known) == "grin with tears"
    assert names.split("face12", known) == "face 12"


def test_what_no_known_words_make_up_is_not_split():
    assert names.split("wolfxyz", {"wolf": 1}) == ""


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("cat face", "cat face"),
        ("family: man, woman, boy", "family of man, woman and boy"),
        ("person: red hair", "person with red hair"),
        ("keycap: 5", "keycap 5"),
        ("japanese “acceptable” button", "japanese acceptable button"),
        ("o’clock", "o'clock"),
    ],
)
def test_unicodes_names_are_said_plainly(label: str, said: str):
    assert emoji.said(label) == said


def test_english_is_told_by_half_of_the_words():
    known = {"cat": 1, "dog": 1}
    assert vocabulary.is_english("cat gatto", known)
    assert not vocabulary.is_english("cani e gatti dog", known)
    assert not vocabulary.is_english("", known)


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("#000000", "black"),
        ("#ffffff", "white"),
        ("#808080", "grey"),
        ("#ff0000", "red"),
        ("#ff8c1a", "orange"),
        ("#fff500", "yellow"),
        ("#29e051", "green"),
        ("#1d5dff", "blue"),
        ("#731ac3", "purple"),
        ("#ec4899", "pink"),
        ("#6a4e35", "brown"),
        ("transparent", ""),
    ],
)
def test_colours_have_the_names_that_people_give_them(code: str, word: str):
    assert avatars.colour(code) == word


@pytest.mark.parametrize(
    ("code", "word"), [("#d6b370", "blond"), ("#e5d7a3", "blond"), ("#cb6820", "red"), ("#562306", "brown")]
)
def test_hair_is_blond_and_red(code: str, word: str):
    assert avatars.hair_colour(code) == word


def test_an_avatar_is_told_in_words():
    parts = {"hair": "long07", "hairColor": "#ab2a18", "glasses": "variant03", "mouth": "variant25"}
    found = avatars.attributes("adventurer", parts)
    assert found == {"person": "woman", "hair": "long", "hair_colour": "red", "eyewear": "glasses"}
    assert avatars.name(found) == "woman with long red hair and glasses"


def test_a_beard_makes_a_man_and_a_hat_hides_the_hair():
    parts = {
        "hair": "beanie",
        "hairColor": "#362c47",
        "facialHair": "goatee",
        "mouth": "bigSmile",
        "clothingColor": "#6dbb58",
    }
    found = avatars.attributes("personas", parts)
    assert found == {"person": "man", "hat": "beanie", "beard": "beard", "mood": "happy", "clothes": "green"}
    assert avatars.name(found) == "man with a beanie and a beard"


def test_a_bald_man_has_no_hair():
    found = avatars.attributes("micah", {"hair": "mrClean", "hairColor": "#f4d150", "glasses": "round"})
    assert avatars.name(found) == "bald man with glasses"
