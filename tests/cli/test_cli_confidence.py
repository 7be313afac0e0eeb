"""`starflow confidence`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from starflow_core.cli import main as cli
from starflow_core.pipeline import Pipeline

MINI = ("--model", "starflow-mini")


def test_line_says_how_sure_and_what_it_expects(
    workplace: Path, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.generate("owl")[0].save("owl.png")
    assert cli.main(["confidence", "owl.png", "--draws", "2", "--seed", "3", "--prompt", "owl", *MINI]) == 0
    found = pipeline.confidence("owl.png", "owl", draws=2, seed=3)
    expected = f"owl.png: confidence {found.score:.3f}; expects to be {math.exp(-found.score):.2g} off, of 0.2 "
    assert capsys.readouterr().out == f"{expected}(all but noise known) to 1 (nothing known)\n"


def test_json_has_what_the_library_says(picture: str, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["confidence", picture, "--json", "--draws", "2", *MINI]) == 0
    row = json.loads(capsys.readouterr().out)
    found = pipeline.confidence(picture, draws=2)
    assert row == {
        "image": picture,
        "prompt": None,
        "confidence": found.score,
        "expected_error": math.exp(-found.score),
        "draws": 2,
        "map": found.map.tolist(),
    }


def test_maps_of_a_folder_are_pictures_of_one_scale(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "in" / "deep").mkdir(parents=True)
    Image.new("RGB", (64, 64), "white").save("in/white.png")
    Image.effect_noise((64, 64), 90).convert("RGB").save("in/deep/noise.png")
    assert cli.main(["confidence", "in", "--map-dir", "maps", "--draws", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    with Image.open("maps/white.png.png") as white, Image.open("maps/deep/noise.png.png") as noise:
        assert white.size == noise.size == (64, 64)
        assert np.asarray(white, int)[..., 1].mean() > np.asarray(noise, int)[..., 1].mean()  # brighter, so surer


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(
    workplace: Path, picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "words.png").write_text("words")
    assert cli.main(["confidence", "words.png", picture, "missing.png", "--draws", "1", *MINI]) == 1
    output, errors = capsys.readouterr()
    assert output.startswith(f"{picture}: confidence ")
    assert output.endswith("(70×60 pixels, scaled to 72×56)\n")
    *named, summary = errors.splitlines()
    assert [line.startswith("starflow: ") for line in named] == [True, True]
    assert summary == "starflow: 2 of 3 pictures could not be measured."


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--draws", "0"], "draws is 0"),
        (["--seed", "-1"], "seed is -1"),
        (["--model", "tarflow-mini", "--class", "unheard of"], "unheard of"),
    ],
)
def test_what_is_wrong_with_every_picture_is_said_once(
    wrong: list[str], told: str, picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["confidence", picture, picture, *wrong]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert told in errors
    assert len(errors.splitlines()) == 1


def test_two_pictures_of_a_name_would_share_a_map(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("a", "b"):
        (workplace / folder).mkdir()
        Image.new("RGB", (64, 64)).save(f"{folder}/same.png")
    assert cli.main(["confidence", "a/same.png", "b/same.png", "--map-dir", "maps"]) == 1
    assert "Two of the pictures are named same.png" in capsys.readouterr().err


def test_table_has_what_the_library_says(picture: str, pipeline: Pipeline, workplace: Path) -> None:
    assert cli.main(["confidence", picture, "--draws", "2", *MINI, "-o", "sure.jsonl"]) == 0
    (row,) = map(json.loads, (workplace / "sure.jsonl").read_text().splitlines())
    found = pipeline.confidence(picture, draws=2)
    assert row["confidence"] == pytest.approx(found.score)
    assert row["expected_error"] == pytest.approx(math.exp(-found.score))
    assert (row["image"], row["error"], row["model"], row["draws"]) == (picture, None, "starflow-mini", 2)
