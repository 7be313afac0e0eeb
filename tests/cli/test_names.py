"""Names of files that are drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from starflow_core.cli.names import LONGEST_STEM, Target, file_stem, picture_target, picture_targets


@pytest.mark.parametrize(
    ("prompt", "stem"),
    [
        ("A red, red heart!", "a-red-red-heart"),
        ("❤️", "heavy-black-heart"),
        ("🚗", "automobile"),
        ("a 🐈 on a 🚗", "a-cat-on-a-automobile"),
        ("👩‍🚀", "woman-rocket"),
        ("👍🏽", "thumbs-up-sign-emoji-modifier-fitzpatrick-type-4"),
        ("\U000e0fff", "ue0fff"),  # no sign of this Python's Unicode
        ("кот", "кот"),
        ("赤いハート", "赤いハート"),
        ("^_^`", "_"),
        ("!?", "picture"),
        ("", "picture"),
        ("../../etc/passwd", "etc-passwd"),
    ],
)
def test_file_is_called_after_its_prompt(prompt: str, stem: str) -> None:
    assert file_stem(prompt, 7) == f"{stem}-7"


@pytest.mark.parametrize("prompt", ["x" * 500, "赤" * 500, "❤️" * 99, "🚗" * 99, "\U00020000" * 500])
def test_name_fits_into_any_file_system(prompt: str) -> None:
    stem = file_stem(prompt, 2**64 - 1)
    assert len(stem) <= LONGEST_STEM + 21
    assert len(f"{stem}-99999.webp".encode()) <= 255


def names(output: str | None, output_dir: str | None, prompts: list[str], seeds: list[int]) -> list[tuple[str, bool]]:
    targets = picture_targets(output, output_dir, prompts, seeds)
    return [(target.path.as_posix(), target.is_asked_for) for those in targets.values() for target in those]


def test_named_file_tells_prompts_and_seeds_apart() -> None:
    assert names("a.png", None, ["cat"], [5]) == [("a.png", True)]
    assert names("a.webp", None, ["cat"], [1, 5]) == [("a-1.webp", True), ("a-5.webp", True)]
    assert names("x/a.JPG", None, ["cat", "dog"], [5]) == [("x/a-1.JPG", True), ("x/a-2.JPG", True)]
    assert names("a.png", None, ["cat", "dog"], [1, 5]) == [
        *(("a-1-1.png", True), ("a-1-5.png", True), ("a-2-1.png", True), ("a-2-5.png", True)),
    ]


def test_pictures_go_into_a_folder_under_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    expected = [("new/cat-5.png", False)]
    assert names("new/", None, ["cat"], [5]) == names(None, "new", ["cat"], [5]) == expected
    (tmp_path / "new").mkdir()
    assert names("new", None, ["cat"], [5]) == expected
    assert names(None, None, ["cat"], [5]) == [("cat-5.png", False)]
    assert names(".", None, ["cat"], [5]) == [("cat-5.png", False)]


def test_pictures_are_found_by_what_they_are_of() -> None:
    targets = picture_targets("a.png", None, ["cat", "dog", "cat"], [1, 2])
    assert targets["dog", 2] == [Target(Path("a-2-2.png"), True)]
    assert [target.path.name for target in targets["cat", 1]] == ["a-1-1.png", "a-3-1.png"]


@pytest.mark.parametrize("output", ["a.gif", "a", "", "a.png.txt", "nowhere/a"])
def test_other_kinds_are_refused(output: str) -> None:
    with pytest.raises(ValueError, match=r"does not end with \.png or \.jpg or \.jpeg or \.webp"):
        picture_targets(output, None, ["cat"], [1])
    with pytest.raises(ValueError, match=r"does not end with \.png"):
        picture_target(output, "a")
