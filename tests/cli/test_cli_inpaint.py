"""`starflow inpaint`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from starflow_core.cli import main as cli
from starflow_core.pipeline import Pipeline

QUICK = ("--rounds", "1", "--steps", "2")


@pytest.fixture
def holed(workplace: Path, pipeline: Pipeline) -> np.ndarray:
    """A picture and its mask as files; the hole."""
    pipeline.generate("owl")[0].save("owl.png")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (20, 20, 44, 44))
    mask.save("mask.png")
    return np.asarray(mask) > 0


def test_fills_are_written_by_rank(holed: np.ndarray, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["inpaint", "owl.png", "--mask", "mask.png", "--prompt", "owl", "--count", "2", "--seed", "3"]
    assert cli.main([*command, "-o", "filled.png", *QUICK]) == 0
    expected = pipeline.inpaint("owl.png", "mask.png", "owl", seed=3, count=2, rounds=1, steps=2)
    lines = capsys.readouterr().out.splitlines()
    for rank, (line, fill) in enumerate(zip(lines, expected, strict=True), 1):
        assert line.startswith(
            f"filled-{rank}.png: seed {fill.seed}, log p {fill.log_prob:.1f} nats, known pixels unchanged"
        )
        with Image.open(f"filled-{rank}.png") as written, Image.open("owl.png") as before:
            assert written.convert("RGB").tobytes() == fill.image.tobytes()
            assert (np.asarray(written)[~holed] == np.asarray(before)[~holed]).all()
            assert written.text["prompt"] == "owl"  # type: ignore[attr-defined]
            settings = json.loads(written.text["settings"])  # type: ignore[attr-defined]
            assert (settings["edit"], settings["rounds"], settings["model"]) == ("inpaint", 1, "starflow-mini")


def test_single_fill_has_the_name_that_was_asked_for(holed: np.ndarray) -> None:
    assert cli.main(["inpaint", "owl.png", "--mask", "mask.png", "-o", "filled.webp", *QUICK]) == 0
    with Image.open("filled.webp") as written:
        assert written.size == (64, 64)


def test_without_a_name_none_is_written_over(holed: np.ndarray) -> None:
    for _ in range(2):
        assert cli.main(["inpaint", "owl.png", "--mask", "mask.png", *QUICK]) == 0
    assert Path("owl-filled.png").exists()
    assert Path("owl-filled-2.png").exists()


def test_picture_grows(holed: np.ndarray) -> None:
    command = ["inpaint", "owl.png", "--grow", "0,0,16,0", "--size", "80x64", "-o", "wide.png"]
    assert cli.main([*command, *QUICK]) == 0
    with Image.open("wide.png") as wide, Image.open("owl.png") as before:
        assert wide.size == (80, 64)
        assert wide.convert("RGB").crop((0, 0, 64, 64)).tobytes() == before.convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--mask", "missing.png"], "There is no file missing.png."),
        (["--mask", "words.png"], "words.png is no picture that can be read"),
        (["--mask", "small.png"], "The mask is 32×32 pixels, and the picture 64×64"),
        (["--mask", "black.png"], "black everywhere"),
        (["--mask", "white.png"], "white everywhere"),
        (["--mask", "mask.png", "--count", "0"], "count is 0"),
        (["--mask", "mask.png", "--temperature", "nan"], "temperature is nan"),
        (["--mask", "mask.png", "--seed", "-1"], "seed is -1"),
        (["--mask", "mask.png", "--model", "tarflow-mini", "--class", "unheard of"], "unheard of"),
        (["--mask", "mask.png", "-o", "missing/filled.png"], "There is no folder missing"),
        (["--mask", "mask.png", "-o", "filled.txt"], "filled.txt does not end with"),
        (["--grow", "0"], "Nothing is added"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_a_sentence(
    wrong: list[str], told: str, holed: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("words.png").write_text("words")
    Image.new("L", (64, 64)).save("black.png")
    Image.new("L", (64, 64), 255).save("white.png")
    small = Image.new("L", (32, 32))
    small.paste(255, (2, 2, 9, 9))
    small.save("small.png")
    assert cli.main(["inpaint", "owl.png", *wrong, *QUICK]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("starflow: ")
    assert told in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    "wrong", [[], ["--grow", "much"], ["--grow", "1,2"], ["--mask", "a.png", "--grow", "3"]], ids=str
)
def test_wrong_usage_is_said(wrong: list[str], holed: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["inpaint", "owl.png", *wrong])
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
