"""Animations that are written."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from starflow_core.cli import animation
from starflow_core.cli.animation import check_animation, save_animation

COLOURS = ("red", "lime", "blue", "white")


@pytest.fixture
def frames() -> list[Image.Image]:
    return [Image.new("RGB", (16, 12), colour) for colour in COLOURS]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_frames_are_kept_with_their_times(tmp_path: Path, frames: list[Image.Image], suffix: str) -> None:
    path = save_animation(frames, str(tmp_path / f"a{suffix}"), fps=10)
    with Image.open(path) as found:
        assert found.n_frames == 4  # type: ignore[attr-defined]
        for number, frame in enumerate(frames):
            found.seek(number)
            found.load()
            assert found.info["duration"] == 100
            assert np.asarray(found.convert("RGB")).tolist() == np.asarray(frame).tolist()
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_folder_gets_numbered_files(tmp_path: Path, frames: list[Image.Image]) -> None:
    (tmp_path / "new").mkdir()  # an empty one will do
    check_animation(f"{tmp_path}/new/", 12)
    save_animation(frames * 3, f"{tmp_path}/new/", 12)
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == [f"{number:02}.png" for number in range(12)]
    assert Image.open(tmp_path / "new" / "01.png").getpixel((0, 0)) == (0, 255, 0)
    assert [one.name for one in tmp_path.iterdir()] == ["new"]


def test_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is there already; give a new or an empty folder"):
        check_animation(f"{tmp_path}/old/", 12)
    with pytest.raises(ValueError, match="is there already"):
        check_animation(f"{tmp_path}/old", 12)
    assert (tmp_path / "old" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["a.avi", "a", "a.png"])
def test_unknown_endings_are_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"does not end with \.gif or \.webp or \.mp4, nor with / for a folder"):
        check_animation(str(tmp_path / name), 12)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), 61])
def test_frames_a_second_are_checked(tmp_path: Path, fps: float) -> None:
    with pytest.raises(ValueError, match=r"fps is .*; it must be a number above 0, and 60 at most"):
        check_animation(str(tmp_path / "a.gif"), fps)


def test_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no folder"):
        check_animation(str(tmp_path / "no" / "a.gif"), 12)


def test_mp4_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "_has", lambda package: False)
    with pytest.raises(ValueError, match=r"MP4 needs a package that is not installed: pip install av"):
        check_animation(str(tmp_path / "a.mp4"), 12)


@pytest.mark.parametrize("package", ["av", "imageio_ffmpeg"])
def test_mp4_is_written(
    tmp_path: Path, frames: list[Image.Image], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    monkeypatch.setattr(animation, "_has", lambda name: name == package)
    path = save_animation([frame.resize((64, 48)) for frame in frames], str(tmp_path / "a.mp4"), fps=10)
    assert path.read_bytes()[4:8] == b"ftyp"
    assert path.stat().st_size > 500
