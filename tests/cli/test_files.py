"""Files that are written: whole or not at all, and none over another's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from starflow_core.cli import files
from starflow_core.cli.files import check_writable, save_picture
from starflow_core.cli.names import Target
from starflow_core.images import open_image
from starflow_core.png_text import MOST_IN_EXIF, Origin

ORIGIN = Origin("a ❤️ heart, 赤", 2**64 - 1, {"model": "starflow-mini", "guidance": 2.5, "negative": "dög"})


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 24, 3), dtype=np.uint8))


def comment(path: Path) -> dict[str, Any]:
    """The UserComment of a picture, as the Exif standard has it."""
    with Image.open(path) as image:
        said = image.getexif().get_ifd(0x8769)[0x9286]
    assert said.startswith(b"UNICODE\0")
    told: dict[str, Any] = json.loads(said[8:].decode("utf-16-be"))
    return told


@pytest.mark.parametrize(("suffix", "is_exact"), [(".png", True), (".webp", True), (".jpg", False), (".JPEG", False)])
def test_suffix_says_the_format(tmp_path: Path, suffix: str, is_exact: bool) -> None:
    path = save_picture(noise(), Target(tmp_path / f"a{suffix}", True))
    with Image.open(path) as image:
        assert image.format == {".png": "PNG", ".webp": "WEBP"}.get(suffix, "JPEG")
    difference = np.abs(np.asarray(open_image(path), float) - np.asarray(noise(), float))
    assert (difference.max() == 0) == is_exact
    assert difference.mean() < 8
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_png_says_what_it_is_of(tmp_path: Path) -> None:
    path = save_picture(noise(), Target(tmp_path / "a.png", True), ORIGIN)
    text = dict(Image.open(path).text)  # type: ignore[attr-defined]
    assert (text["prompt"], text["seed"]) == (ORIGIN.prompt, str(ORIGIN.seed))
    assert json.loads(text["settings"]) == ORIGIN.settings


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_others_say_it_in_their_exif_data(tmp_path: Path, suffix: str) -> None:
    path = save_picture(noise(), Target(tmp_path / f"a{suffix}", True), ORIGIN)
    assert comment(path) == {"prompt": ORIGIN.prompt, "seed": ORIGIN.seed, "settings": ORIGIN.settings}
    with Image.open(path) as image:
        assert b"MM\0*" in image.info["exif"][:10]  # readers take the comment's byte order from here


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_long_and_odd_prompts_are_written(tmp_path: Path, suffix: str) -> None:
    for number, prompt in enumerate(["x" * 200_000, "🚗" * 100_000, "caf\udce9 \0"]):
        origin = Origin(prompt, 1, {"negative": prompt})
        path = save_picture(noise(), Target(tmp_path / f"{number}{suffix}", True), origin)
        assert open_image(path).size == (24, 32)
        if suffix != ".png" and number == 0:
            assert comment(path)["prompt"] == prompt[:MOST_IN_EXIF]


def test_free_name_is_taken_by_one_only(tmp_path: Path) -> None:
    """As two commands at once: all have looked whether the name is free before the first writes."""
    ready, written = Barrier(8), []

    def write(number: int) -> None:
        image = Image.new("RGB", (4, 4), (number, 0, 0))
        ready.wait()
        written.append((number, save_picture(image, Target(tmp_path / "cat-0.png", False))))

    threads = [Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.name for _, path in written) == sorted(
        ["cat-0.png", *(f"cat-0-{number}.png" for number in range(2, 9))]
    )
    assert all(open_image(path).getpixel((0, 0)) == (number, 0, 0) for number, path in written)
    assert len(list(tmp_path.iterdir())) == 8


def test_name_that_another_takes_meanwhile_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target(tmp_path / "cat-0.png", False)
    check_writable(target)
    target.path.write_bytes(b"another's")
    assert save_picture(noise(), target) == tmp_path / "cat-0-2.png"
    assert target.path.read_bytes() == b"another's"


def test_name_is_taken_by_creating_it_and_not_by_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target(tmp_path / "cat-0.png", False)
    target.path.write_bytes(b"another's")
    with monkeypatch.context() as patch:
        patch.setattr(os.path, "exists", lambda path: False)
        patch.setattr(Path, "exists", lambda path: False)
        assert save_picture(noise(), target) == tmp_path / "cat-0-2.png"
    assert target.path.read_bytes() == b"another's"


def test_file_that_is_asked_for_is_written_over(tmp_path: Path) -> None:
    target = Target(tmp_path / "a.png", True)
    target.path.write_bytes(b"old")
    assert save_picture(noise(), target) == target.path
    assert open_image(target.path).size == (24, 32)


def test_two_that_write_the_same_file_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[Path] = []
    replace = os.replace

    def noted(part: Path, path: Path) -> None:
        parts.append(part)
        replace(part, path)

    monkeypatch.setattr(files.os, "replace", noted)
    for _ in range(2):
        save_picture(noise(), Target(tmp_path / "a.png", True))
    assert parts[0] != parts[1]


@pytest.mark.parametrize("length", [200, 250, 255])
def test_longest_names_are_written(tmp_path: Path, length: int) -> None:
    target = Target(tmp_path / ("x" * (length - 4) + ".png"), True)
    check_writable(target)
    assert open_image(save_picture(noise(), target)).size == (24, 32)


@pytest.mark.parametrize("is_asked_for", [True, False])
def test_longer_names_are_refused_before_the_work(tmp_path: Path, is_asked_for: bool) -> None:
    with pytest.raises(ValueError, match=r"cannot be written .*choose another name"):
        check_writable(Target(tmp_path / ("x" * 252 + ".png"), is_asked_for))


def test_folder_is_made_for_names_of_their_own_only(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    check_writable(Target(deep / "cat-0.png", False))
    assert not deep.exists()
    assert save_picture(noise(), Target(deep / "cat-0.png", False)) == deep / "cat-0.png"
    with pytest.raises(ValueError, match=r"There is no folder .*make it first"):
        check_writable(Target(tmp_path / "c" / "cat.png", True))


def test_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    for is_asked_for in (True, False):
        with pytest.raises(ValueError, match="There is no folder"):
            check_writable(Target(tmp_path / "a" / "cat.png", is_asked_for))
