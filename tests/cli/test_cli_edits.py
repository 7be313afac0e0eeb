"""`starflow vary`, `restyle`, `morph`, `ascend` and `reproduce`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from starflow_core.cli import main as cli
from starflow_core.pipeline import Pipeline


@pytest.fixture
def heart(workplace: Path, pipeline: Pipeline) -> str:
    pipeline.generate("red heart", seed=1)[0].save("heart.png")
    return "heart.png"


def failed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that fails says, in a line."""
    assert cli.main(arguments) == 1
    output, errors = capsys.readouterr()
    assert (output, errors.count("\n")) == ("", 1)
    assert errors.startswith("starflow: ")
    return errors


def test_variations_are_those_of_the_library(
    heart: str, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--strength", "0.4", "--prompt", "red heart", "--seed", "3", "--count", "2"]
    assert cli.main(["vary", heart, *options]) == 0
    names = capsys.readouterr().out.split()
    assert names == ["heart-varied-3.png", "heart-varied-4.png"]
    expected = pipeline.vary(heart, 0.4, "red heart", seed=3, count=2)
    assert [Image.open(name).tobytes() for name in names] == [one.tobytes() for one in expected]
    settings = json.loads(Image.open(names[0]).text["settings"])  # type: ignore[attr-defined]
    assert (settings["edit"], settings["strength"], settings["of"]) == ("vary", 0.4, "heart.png")
    assert cli.main(["reproduce", names[0]]) == 1
    assert "was made of another picture (vary)" in capsys.readouterr().err


def test_restyled_picture_is_that_of_the_library(heart: str, pipeline: Pipeline) -> None:
    assert cli.main(["restyle", heart, "--prompt", "red heart", "--to", "blue heart", "-o", "blue.png"]) == 0
    expected = pipeline.restyle(heart, "red heart", "blue heart")
    assert Image.open("blue.png").tobytes() == expected.tobytes()


def test_morph_is_written_there_and_back(heart: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["generate", "green heart", "-o", "green.png"])
    options = ["--frames", "3", "--prompt", "red heart", "--to", "green heart", "--there-and-back", "-o", "a.webp"]
    assert cli.main(["morph", heart, "green.png", *options]) == 0
    assert "ends: relative error" in capsys.readouterr().out
    assert Image.open("a.webp").n_frames == 4  # type: ignore[attr-defined]


def test_ascent_says_what_it_gained(heart: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ascend", heart, "--steps", "1", "--model", "starflow-mini", "-o", "up.png"]) == 0
    said = capsys.readouterr().out.split()
    assert float(said[2]) < float(said[4])
    assert Image.open("up.png").size == (64, 64)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["vary", "heart.png", "--strength", "2"], "strength is 2.0; it must be a number from 0 to 1"),
        (["vary", "heart.png", "--strength", "nan"], "strength is nan"),
        (["vary", "heart.png", "-o", "a.bmp"], "does not end with .png"),
        (["vary", "missing.png"], "There is no file missing.png"),
        (["morph", "heart.png", "heart.png", "-o", "a.gif"], "The two pictures are the same"),
        (["morph", "heart.png", "wide.png", "-o", "a.gif"], "crop them to one shape"),
        (["morph", "heart.png", "wide.png", "-o", "a.gif", "--frames", "1"], "frames is 1"),
        (["morph", "heart.png", "wide.png", "-o", "a.avi"], "does not end with .gif"),
        (["restyle", "heart.png", "--prompt", "a", "--to", "b", "--guidance", "nan"], "guidance is nan"),
        (["ascend", "heart.png", "--steps", "0", "--model", "starflow-mini"], "steps is 0"),
        (["reproduce", "heart.png"], "heart.png says nothing of how it was drawn"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_is_written(
    heart: str, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (120, 60), "red").save("wide.png")
    assert told in failed(arguments, capsys)
    assert sorted(path.name for path in Path().iterdir()) == ["heart.png", "wide.png"]


def test_folder_is_checked_and_foreign_pictures_are_skipped(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--seed", "3", "--count", "2", "--output-dir", "drawn", "--size", "16"]
    assert cli.main(["generate", "owl", *options]) == 0
    Image.new("RGB", (8, 8)).save("drawn/mine.png")
    capsys.readouterr()
    assert cli.main(["reproduce", "drawn", "--check"]) == 0
    output, errors = capsys.readouterr()
    assert output.splitlines() == ["drawn/owl-3.png: bit-identical", "drawn/owl-4.png: bit-identical"]
    assert "mine.png says nothing" in errors
    assert errors.splitlines()[-1] == "2 identical, 1 not drawn by a flow"


def test_check_fails_where_a_picture_differs(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL.PngImagePlugin import PngInfo

    assert cli.main(["generate", "owl", "--size", "16", "-o", "owl.png"]) == 0
    with Image.open("owl.png") as drawn:
        text = PngInfo()
        for name, value in drawn.text.items():  # type: ignore[attr-defined]
            text.add_itxt(name, value)
        Image.eval(drawn, lambda level: level // 2).save("dark.png", pnginfo=text)
    capsys.readouterr()
    assert cli.main(["reproduce", "dark.png"]) == 0
    assert cli.main(["reproduce", "dark.png", "--check", "--json", "-o", "again.png"]) == 1
    row = json.loads(capsys.readouterr().out.splitlines()[-2])
    assert row["identical"] is False
    assert row["largest"] > 50
    assert Image.open("again.png").tobytes() == Image.open("owl.png").tobytes()
