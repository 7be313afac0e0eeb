from __future__ import annotations

from typing import Any

import pytest
import torch

from starflow_core.codecs.classes import NO_CLASS, Classes

ANIMALS = Classes(("cat", "Big Dog", "Größe"))


def test_labels_are_the_places_of_the_names() -> None:
    labels = ANIMALS.encode(["Big Dog", "cat", "Größe", "cat"])
    assert labels.tolist() == [1, 0, 2, 0]
    assert labels.dtype == torch.int64


@pytest.mark.parametrize("name", ["big dog", "BIG DOG", "  Big Dog\n"])
def test_neither_case_nor_surrounding_space_matters(name: str) -> None:
    assert ANIMALS.encode([name]).tolist() == [1]


def test_case_is_that_of_any_language() -> None:
    assert ANIMALS.encode(["GRÖSSE"]).tolist() == [2]


@pytest.mark.parametrize("name", ["", "  ", "\n"])
def test_empty_name_is_no_class(name: str) -> None:
    assert ANIMALS.encode(["cat", name]).tolist() == [0, NO_CLASS] == [0, -1]


@pytest.mark.parametrize("name", ["wolf", "cats", "big  dog", "0", "\ud800"])
def test_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=r"There is no class .*; this model knows cat, Big Dog, Größe\."):
        ANIMALS.encode(["cat", name])


@pytest.mark.parametrize("names", [[None], [3], b"cat", ["cat", ["cat"]]])
def test_what_is_no_name_is_refused(names: Any) -> None:
    with pytest.raises(ValueError, match=r"class|prompt"):
        ANIMALS.encode(names)


@pytest.mark.parametrize("names", [(), ("",), ("cat", " "), (" cat", "dog"), ("cat", 3), ("cat", None)])
def test_classes_without_names_are_refused(names: Any) -> None:
    with pytest.raises(ValueError, match=r"classes is .*; it must hold names"):
        Classes(names)


@pytest.mark.parametrize("names", [("cat", "cat"), ("cat", "dog", "CAT"), ("straße", "STRASSE")])
def test_name_that_is_there_twice_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="names one twice"):
        Classes(names)


def test_every_class_can_be_asked_for_by_the_name_it_was_given() -> None:
    names = ("cat", "straße", "ÉCLAIR", "two words")
    assert Classes(names).encode(names).tolist() == [0, 1, 2, 3]


FISH = Classes(("tench, Tinca tinca", "goldfish, carp", "pike, jack, carp", "carpet"))


def test_names_are_the_first_spellings() -> None:
    assert FISH.names == ("tench", "goldfish", "pike", "carpet")


@pytest.mark.parametrize("name", ["tench", "TINCA tinca", "tench, Tinca tinca"])
def test_any_spelling_will_do(name: str) -> None:
    assert FISH.encode([name]).tolist() == [0]


def test_a_spelling_that_two_classes_share_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no class 'carp'"):
        FISH.encode(["carp"])


def test_a_name_beats_another_spelling() -> None:
    assert Classes(("corgi, cardigan", "cardigan")).encode(["Cardigan"]).tolist() == [1]


@pytest.mark.parametrize("entry", ["tench,", "tench, ", ", tench", "tench,  carp", ","])
def test_empty_spellings_are_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="it must hold names"):
        Classes((entry, "cat"))


def test_of_many_classes_similar_ones_are_offered() -> None:
    many = Classes((*(f"thing {i}" for i in range(2000)), "golden retriever", "Labrador retriever", "tabby, tabby cat"))
    with pytest.raises(ValueError, match=r"knows 2,003, among them golden retriever, Labrador retriever\.") as caught:
        many.encode(["retriever"])
    assert len(str(caught.value)) < 300
    with pytest.raises(ValueError, match=r"among them tabby\."):
        many.encode(["tabi cat"])
    with pytest.raises(ValueError, match="knows 2,003, which `starflow info` lists"):
        many.encode(["§§§"])
