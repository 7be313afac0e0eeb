from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import starflow_core
from starflow_core.cli import main as cli
from starflow_core.cli import options
from starflow_core.weights.model_folder import DEFAULT_MODEL, embedded_models

MODEL = ("--model", "tarflow-mini-8bit")


@pytest.fixture
def normal(workplace: Path) -> Path:
    """Twelve gradients, and a file that is no picture."""
    folder = workplace / "normal"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        gradient = np.linspace(rng.uniform(0, 100), rng.uniform(150, 255), 32)[None, :, None]
        pixels = gradient * np.ones((32, 1, 3)) + rng.normal(0, 2, (32, 32, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    (folder / "broken.png").write_text("no picture")
    return folder


@pytest.fixture
def scorer(normal: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["anomaly", "fit", "normal", "-o", "mine.safetensors", "--draws", "1", *MODEL]) == 0
    output, errors = capsys.readouterr()
    assert output == "mine.safetensors: 12 normal pictures, looked at scaled to the model's size.\n"
    assert "broken.png" in errors
    assert errors.startswith("starflow: ")
    return "mine.safetensors"


def test_scores_are_those_of_the_library(scorer: str, normal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["anomaly", "score", scorer, "normal/3.png", "--json", *MODEL]) == 0
    row = json.loads(capsys.readouterr().out)
    pipeline = starflow_core.load("tarflow-mini-8bit", device="cpu")
    expected = starflow_core.Anomaly.load(scorer, pipeline).score(normal / "3.png")
    assert row == {
        "image": "normal/3.png",
        "score": pytest.approx(expected.score),
        "p_value": expected.p_value,
        "is_odd": expected.is_odd,
    }
    assert cli.main(["anomaly", "score", scorer, "normal/3.png", *MODEL]) == 0
    assert capsys.readouterr().out.startswith("normal/3.png: normal, score ")


def test_folders_are_scored_past_what_is_broken(
    scorer: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (50, 40), "red").save(workplace / "red.jpg")
    files = ["red.jpg", "normal", "missing.png"]
    assert cli.main(["anomaly", "score", scorer, *files, "--map-dir", "maps", *MODEL]) == 1
    output, errors = capsys.readouterr()
    assert len(output.splitlines()) == 13
    assert [line.partition(":")[0] for line in errors.splitlines()] == ["starflow"] * 3
    assert "broken.png" in errors
    assert "missing.png" in errors
    assert errors.endswith("starflow: 2 of 15 pictures could not be measured.\n")
    assert len(list((workplace / "maps").iterdir())) == 13
    with Image.open(workplace / "maps" / "red.jpg.png") as picture:
        assert picture.size == (50, 40)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "nowhere", "-o", "a.safetensors"], "There is no folder nowhere"),
        (["fit", "normal", "-o", "a.pt"], "does not end with .safetensors"),
        (["fit", "normal", "-o", "nowhere/a.safetensors"], "There is no folder nowhere"),
        (["fit", "normal", "-o", "a.safetensors", "--draws", "0"], "draws is 0"),
        (["fit", "normal", "-o", "a.safetensors", "--false-positive-rate", "2"], "false_positive_rate is 2"),
        (["fit", "normal", "-o", "a.safetensors", "--class", "unheard of"], "There is no class"),
        (["score", "missing.safetensors", "normal"], "There is no file missing.safetensors"),
        (["score", "normal/3.png", "normal"], "no file of a scorer, or it is damaged"),
        (["score", "a.safetensors", "normal/3.png", "normal/3.png", "--map-dir", "maps"], "Two of the pictures"),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str, normal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["anomaly", *arguments, *MODEL]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("starflow: ")
    assert errors.count("\n") == 1
    assert message in errors


def test_model_is_that_of_the_scorer(scorer: str, normal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for named in ((), MODEL):
        assert cli.main(["anomaly", "score", scorer, "normal/3.png", "--json", *named]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_scorer_of_an_unknown_model_asks_for_it(scorer: str, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = load_file(scorer)
    with safe_open(scorer, "pt") as opened:
        told = opened.metadata()
    save_file(tensors, scorer, {**told, "model": "mine"})
    assert cli.main(["anomaly", "score", scorer, "normal/3.png"]) == 1
    error = capsys.readouterr().err
    assert "fitted with the model 'mine', and none of this name is here; say which folder it is in" in error


def test_default_models_are_embedded() -> None:
    assert options.DRAWS_WELL == DEFAULT_MODEL
    assert {options.DRAWS_WELL, options.HAS_LEARNT_A_DISTRIBUTION} <= set(embedded_models())
    fit = cli._parsed(["anomaly", "fit", "normal", "-o", "mine.safetensors"])
    assert fit.model == options.HAS_LEARNT_A_DISTRIBUTION
    assert cli._parsed(["score", "a.png"]).model == DEFAULT_MODEL
