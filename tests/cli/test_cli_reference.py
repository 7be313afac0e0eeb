"""`starflow reference`, and what the other commands say with what it writes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY_TARFLOW, random_flow

import starflow_core
from starflow_core.cli import main as cli
from starflow_core.codecs.classes import Classes
from starflow_core.insight.reference import Reference
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import EMBEDDED, save

MODEL = ("--model", "mine")


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model, and a folder of pictures by class, some with a caption beside them."""
    flow = random_flow(dataclasses.replace(TINY_TARFLOW, noise_std=0.0))
    pipeline = Pipeline(flow, None, None, name="mine", classes=Classes(("cat", "dog", "wild")))
    save(pipeline, tmp_path / "mine", dtype=torch.float32)
    for number in range(30):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        folder = tmp_path / "pictures" / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        if number < 22:
            (folder / f"{number}.txt").write_text(" wild\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> tuple[str, str]:
    assert cli.main(arguments) == status
    output, errors = capsys.readouterr()
    assert "Traceback" not in errors
    return output, errors


def written() -> Reference:
    found = Reference.load(Path("mine"))
    assert found is not None
    return found


def test_reference_is_measured_and_scores_are_told_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert "in words" not in run(capsys, "score", "pictures/cat/0.png", *MODEL)[0]
    output, errors = run(capsys, "reference", "pictures", *MODEL, "--draws", "2")
    assert output == "mine: 30 pictures. `starflow score` compares others with them.\n"
    assert errors == ""
    found = written()
    assert (found.pictures, found.kind, found.size, found.draws) == ("pictures", "given", (8, 8), 2)
    assert found.described is None
    output, _ = run(capsys, "score", "pictures/cat/0.png", *MODEL)
    assert " of the pictures in the model's reference; " in output or "all 30 pictures" in output
    output, _ = run(capsys, "score", "pictures/cat/0.png", "--class", "cat", *MODEL)
    assert "likel" not in output.partition(" bits/dim")[0]  # nothing was measured with classes
    assert "reference: 30 pictures, pictures" in run(capsys, "info", "mine")[0]


@pytest.mark.parametrize(
    ("said", "number"),
    [(["--class-from-folder"], 30), (["--class", "wild"], 30), (["--captions"], 22), ([], None)],
)
def test_what_pictures_show_is_given(said: list[str], number: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "reference", "pictures", *said, "--draws", "1", *MODEL)
    found = written().described
    assert (None if found is None else found.number) == number
    if number:
        output, _ = run(capsys, "score", "pictures/cat/0.png", "--class", "cat", *MODEL)
        assert "likel" in output.partition(" bits/dim")[0]


def test_classes_are_those_of_the_folders(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "reference", "pictures", "--class-from-folder", "--draws", "1", *MODEL)
    model = starflow_core.load("mine", device="cpu")
    expected = [model.score(f"pictures/{name}/{i}.png", name, draws=1).log_prob for name, i in [("cat", 0), ("dog", 1)]]
    found = written().described
    assert found is not None
    assert all(found.quantiles[0] <= value <= found.quantiles[-1] for value in expected)


@pytest.mark.parametrize(
    ("given", "words"),
    [("--held-out", "of the kind the model was trained to know"), ("--trained-on", "the model was trained on")],
)
def test_sentence_says_which_pictures(given: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "reference", "pictures", given, "--name", "some noise", "--draws", "1", *MODEL)
    assert written().pictures == "some noise"
    assert words in run(capsys, "score", "pictures/cat/0.png", *MODEL)[0]


def test_bpd_says_where_the_pictures_stand_on_average(capsys: pytest.CaptureFixture[str]) -> None:
    assert "on average" not in run(capsys, "bpd", "pictures", *MODEL)[0]
    run(capsys, "reference", "pictures", "--trained-on", "--draws", "8", *MODEL)
    words = run(capsys, "bpd", "pictures", *MODEL)[0].splitlines()[1]
    assert words.startswith("A picture of them is, on average, likelier than ")
    share = int(words.split(" % ")[0].rpartition(" ")[2])
    assert 40 <= share <= 60  # the pictures among themselves
    assert "on average" not in run(capsys, "bpd", "pictures", "--draws", "2", *MODEL)[0]
    assert "on average" not in run(capsys, "bpd", "pictures", "--class", "cat", *MODEL)[0]


def test_embedded_models_keep_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    before = (EMBEDDED / "tarflow-mini" / "reference.json").read_bytes()
    for name in ("tarflow-mini", str(EMBEDDED / "tarflow-mini")):
        _, errors = run(capsys, "reference", "pictures", "--model", name, status=1)
        assert "comes with the package" in errors
    assert (EMBEDDED / "tarflow-mini" / "reference.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "There is no folder nowhere"),
        (["mine"], "There is no picture in mine"),
        (["pictures", "--draws", "0"], "draws is 0"),
        (["pictures", "--seed", "-1"], "seed is -1"),
        (["pictures", "--class", "cow"], "knows cat, dog, wild"),
        (["pictures", "--name", "two\nlines"], "pictures must be a line"),
        (["few"], "1 picture cannot show"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_lost(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("few").mkdir()
    Image.new("RGB", (8, 8)).save("few/one.png")
    run(capsys, "reference", "pictures", "--draws", "1", *MODEL)
    before = Path("mine/reference.json").read_bytes()
    _, errors = run(capsys, "reference", *arguments, *MODEL, status=1)
    assert told in errors
    assert errors.startswith("starflow: ")
    assert Path("mine/reference.json").read_bytes() == before


def test_pictures_that_cannot_be_read_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("pictures/broken.png").write_text("no picture")
    output, errors = run(capsys, "reference", "pictures", "--draws", "1", *MODEL)
    assert output.startswith("mine: 30 pictures.")
    assert "broken.png" in errors


def test_caption_that_is_no_text_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("pictures/cat/0.txt").write_bytes(b"\xff\xfe\xff")
    _, errors = run(capsys, "reference", "pictures", "--captions", *MODEL, status=1)
    assert "0.txt is no text in UTF-8" in errors


def test_hostile_reference_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "reference", "pictures", "--draws", "1", *MODEL)
    path = Path("mine/reference.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"size": "huge"}))
    _, errors = run(capsys, "score", "pictures/cat/0.png", *MODEL, status=1)
    assert len(errors.splitlines()) == 1
    assert "reference.json is no reference that this version reads" in errors
