"""`starflow compress` and `starflow decompress`, as people use and misuse them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sfl_pictures import drawn

import starflow_core
from starflow_core.cli.main import main
from starflow_core.compression import Codec


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    drawn(20, 16).save("a.png")
    drawn(12, 8).convert("L").save("b.png")
    (tmp_path / "out").mkdir()
    return tmp_path


def same(first: str, second: str) -> bool:
    with Image.open(first) as a, Image.open(second) as b:
        return (a.mode, a.size, a.tobytes()) == (b.mode, b.size, b.tobytes())


def test_picture_comes_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "a.png", "-o", "small.sfl"]) == 0
    told = capsys.readouterr().out
    assert f"small.sfl: {os.path.getsize('small.sfl'):,} bytes" in told
    assert main(["decompress", "small.sfl", "-o", "back.png"]) == 0
    assert "20×16, RGB, as it was" in capsys.readouterr().out
    assert same("a.png", "back.png")


def test_several_go_into_a_folder_or_beside_themselves(folder: Path) -> None:
    assert main(["compress", "a.png", "b.png", "-o", "out/"]) == 0
    assert main(["compress", "a.png", "b.png"]) == 0
    assert {path.name for path in folder.glob("*.sfl")} == {"a.sfl", "b.sfl"}
    assert main(["decompress", "out/a.sfl", "out/b.sfl"]) == 0
    assert same("a.png", "out/a.png")
    assert same("b.png", "out/b.png")


def test_file_that_is_there_stays_unless_it_is_named(folder: Path) -> None:
    Path("a.sfl").write_bytes(b"mine")
    assert main(["compress", "a.png"]) == 0
    assert Path("a.sfl").read_bytes() == b"mine"
    assert Path("a-2.sfl").exists()
    assert main(["compress", "a.png", "-o", "a.sfl"]) == 0
    assert Path("a.sfl").read_bytes() == Path("a-2.sfl").read_bytes()


def test_broken_ones_among_good_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.png").write_bytes(b"no picture")
    Image.fromarray(np.full((4, 4), 1000, np.uint16)).save("deep.png")
    assert main(["compress", "c.png", "none.png", "deep.png", "out", "a.png"]) == 1
    told = capsys.readouterr()
    lines = [line for line in told.err.splitlines() if line.startswith("starflow:")]
    assert [line.split(":")[1].strip() for line in lines] == ["c.png", "none.png", "deep.png", "out"]
    assert "8 bits" in lines[2]
    assert Path("a.sfl").exists()
    assert not list(folder.glob("c*.sfl"))


@pytest.mark.parametrize("cut", [0, 2, 5, 30, -1])
def test_truncated_file_gives_no_picture(folder: Path, cut: int, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cut.sfl").write_bytes(Codec().compress(drawn(20, 16))[:cut])
    assert main(["decompress", "cut.sfl", "-o", "back.png"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("back.png").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["compress", "a.png", "b.png", "-o", "one.sfl"], "cannot hold 2 pictures"),
        (["compress", "a.png", "-o", "a.zip"], "does not end with .sfl"),
        (["decompress", "a.sfl", "-o", "a.jpg"], "does not end with .png"),
        (["compress", "a.png", "-o", "nowhere/a.sfl"], "There is no folder nowhere"),
    ],
    ids=["two into one", "kind of file", "kind of picture", "no folder"],
)
def test_output_is_checked_before_the_work(
    folder: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert told in capsys.readouterr().err


def test_cancel_leaves_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cancelled(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(Codec, "compress", cancelled)
    assert main(["compress", "a.png"]) == 130
    assert not list(folder.glob("*.sfl*"))


def test_full_disk_leaves_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["compress", "a.png"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not list(folder.glob("*.sfl"))


def test_picture_comes_back_nearly(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "a.png", "--lossy", "--quality", "60", "--iterations", "1", "-o", "small.sfl"]) == 0
    assert main(["decompress", "small.sfl", "-o", "back.png"]) == 0
    assert "20×16, RGB, nearly as it was" in capsys.readouterr().out
    with Image.open("a.png") as before, Image.open("back.png") as after:
        difference = np.asarray(before, float) - np.asarray(after, float)
    assert 0 < np.square(difference).mean() < 1000


def test_both_kinds_of_files_are_read_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "a.png", "-o", "exact.sfl"]) == 0
    assert main(["compress", "a.png", "--lossy", "--iterations", "0", "-o", "near.sfl"]) == 0
    assert main(["decompress", "exact.sfl", "near.sfl", "-o", "out/"]) == 0
    assert same("a.png", "out/exact.png")
    assert Path("out/near.png").exists()


@pytest.mark.parametrize("option", ["--quality=50", "--iterations=3", "--model=starflow-mini"])
def test_options_of_loss_without_it_are_refused(folder: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "a.png", option]) != 0
    assert "goes with --lossy" in capsys.readouterr().err
    assert not list(folder.glob("*.sfl"))


@pytest.mark.parametrize("option", ["--quality=101", "--quality=nan", "--iterations=-1", "--model=tarflow-mini"])
def test_settings_of_loss_that_cannot_be_are_refused(
    folder: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compress", "a.png", "--lossy", option]) != 0
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(folder.glob("*.sfl"))


def test_model_that_a_file_names_is_loaded_only_if_it_is_embedded(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = starflow_core.load("starflow-mini-128", device="cpu")
    pipeline.name = "mine"
    starflow_core.save(pipeline, "mine")
    Path("mine.sfl").write_bytes(starflow_core.LossyCodec(pipeline).compress(drawn(20, 16), iterations=0))
    assert main(["decompress", "mine.sfl"]) == 1
    assert "say where it is: --model FOLDER" in capsys.readouterr().err
    assert main(["decompress", "mine.sfl", "--model", "mine", "-o", "back.png"]) == 0
    assert Path("back.png").exists()
