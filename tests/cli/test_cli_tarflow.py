"""The command with a flow of pictures by class, on a tiny random model."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY_TARFLOW, random_flow

from starflow_core.cli import main as cli
from starflow_core.codecs.classes import Classes
from starflow_core.pipeline import Pipeline
from starflow_core.sampling import SamplingDefaults
from starflow_core.weights.model_folder import save


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a drawing model, one for likelihoods, and a folder of pictures."""
    classes = Classes(("cat", "dog", "wild"))
    drawing, likelihood = TINY_TARFLOW, dataclasses.replace(TINY_TARFLOW, noise_std=0.0)
    for name, config in (("drawing", drawing), ("likelihood", likelihood)):
        pipeline = Pipeline(
            random_flow(config), None, None, name=name, classes=classes, defaults=SamplingDefaults(guidance=1.0)
        )
        save(pipeline, tmp_path / name, dtype=torch.float32)
    for i, label in enumerate(("cat", "cat", "dog", "wild")):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        (tmp_path / "pictures" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "pictures" / label / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> tuple[str, str]:
    assert cli.main(arguments) == status
    output, errors = capsys.readouterr()
    assert "Traceback" not in errors
    return output, errors


def test_picture_of_a_class(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, _ = run(capsys, "generate", "--model", "drawing", "--class", "cat", "--class", "Dog")
    assert output.split() == ["cat-0.png", "dog-0.png"]
    picture = Image.open(workplace / "cat-0.png")
    assert picture.size == (8, 8)
    assert picture.info["prompt"] == "cat"
    assert picture.tobytes() != Image.open(workplace / "dog-0.png").tobytes()


def test_name_of_a_class_is_a_prompt(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "generate", "--model", "drawing", "--class", "cat", "-o", "a.png")
    run(capsys, "generate", "--model", "drawing", "cat", "-o", "b.png")
    assert Image.open(workplace / "a.png").tobytes() == Image.open(workplace / "b.png").tobytes()


def test_picture_of_no_class_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "generate", "--model", "drawing")[0] == "picture-0.png\n"


@pytest.mark.parametrize("options", [["--guided", "a"], ["--annealed"], ["--attention-temperature", "0.5"]])
def test_options_of_guidance_change_the_picture(
    workplace: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    command = ["generate", "--model", "drawing", "--class", "cat", "--guidance", "3", "-o"]
    run(capsys, *command, "plain.png")
    run(capsys, *command, "guided.png", *options)
    plain, guided = Image.open(workplace / "plain.png"), Image.open(workplace / "guided.png")
    assert plain.tobytes() != guided.tobytes()
    assert plain.info["settings"] != guided.info["settings"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", "--model", "drawing", "--class", "cow"], "knows cat, dog, wild"),
        (["generate", "--class", "cat"], "knows no classes; give a prompt instead"),
        (["generate"], "needs a prompt"),
        (["generate", "cat", "--annealed"], "leave it away"),
        (["generate", "--model", "drawing", "cat", "--size", "16"], "8×8 only"),
        (["generate", "--model", "likelihood", "cat", "--denoise"], "there is none to take off"),
        (["generate", "--model", "drawing", "cat", "--attention-temperature", "0"], "must be a positive number"),
        (["score", "pictures/cat/0.png", "--model", "likelihood", "--class", "cow"], "knows cat, dog, wild"),
        (["bpd", "pictures"], "choose a TarFlow"),
        (["bpd", "nowhere", "--model", "likelihood"], "no folder nowhere"),
        (["bpd", "pictures", "--model", "likelihood", "--class", "cow"], "knows cat, dog, wild"),
        (["bpd", "pictures", "--model", "likelihood", "--draws", "0"], "draws is 0"),
        (["bpd", "pictures", "--model", "likelihood", "-o", "nowhere/bits.csv"], "no folder nowhere"),
        (["convert", "nothing.pth", "model"], "no file nothing.pth"),
    ],
)
def test_mistakes_end_with_a_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    output, errors = run(capsys, *arguments, status=1)
    assert output == ""
    assert said in errors


def test_class_makes_a_difference_to_a_score(capsys: pytest.CaptureFixture[str]) -> None:
    scores = [
        json.loads(run(capsys, "score", "pictures/cat/0.png", "--model", "likelihood", "--json", *options)[0])
        for options in ([], ["--class", "cat"], ["--class", "dog"])
    ]
    assert len({score["bits_per_dim"] for score in scores}) == 3


def test_picture_comes_back_from_noise(capsys: pytest.CaptureFixture[str]) -> None:
    output, _ = run(capsys, "reconstruct", "pictures/cat/0.png", "--model", "likelihood", "--class", "cat")
    assert float(re.findall(r"error (\S+)", output)[0]) < 1e-3


def test_info_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    output, _ = run(capsys, "info", "likelihood")
    assert "classes: cat, dog, wild" in output
    assert "text: none" in output
    assert "8×8 pixels" in output
    assert "uniform dequantisation noise" in output
    assert "autoencoder" not in output


def test_bits_of_a_folder(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bpd", "pictures", "--model", "likelihood", "--draws", "2", "--class-from-folder", "-o", "bits.csv"]
    output, _ = run(capsys, *command)
    rows = list(csv.DictReader((workplace / "bits.csv").open()))
    assert [(row["image"], row["label"]) for row in rows] == [
        *(("cat/0.png", "cat"), ("cat/1.png", "cat"), ("dog/2.png", "dog"), ("wild/3.png", "wild")),
    ]
    mean = sum(float(row["bits_per_dim"]) for row in rows) / 4
    assert output.startswith(f"4 pictures: {mean:.4f} ± ")


def test_table_that_cannot_be_written_is_refused_before_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    _, errors = run(capsys, "bpd", "pictures", "--model", "likelihood", "-o", "missing/bits.csv", status=1)
    assert "There is no folder missing to write bits.csv into; make it first." in errors


def test_bits_are_gone_on_with(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bpd", "pictures", "--model", "likelihood", "-o", "bits.csv"]
    whole, _ = run(capsys, *command)
    lines = (workplace / "bits.csv").read_text().splitlines(keepends=True)
    (workplace / "bits.csv").write_text("".join(lines[:3]) + lines[3][:7])
    assert run(capsys, *command)[0] == whole
    assert (workplace / "bits.csv").read_text() == "".join(lines)


def test_bits_of_other_weights_are_not_mixed(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "bpd", "pictures", "--model", "likelihood", "-o", "bits.csv")
    _, errors = run(capsys, "bpd", "pictures", "--model", "drawing", "-o", "bits.csv", status=1)
    assert "was measured with" in errors


def test_pictures_that_cannot_be_measured_are_named(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "pictures" / "broken.png").write_bytes(b"no picture")
    output, errors = run(capsys, "bpd", "pictures", "--model", "likelihood", status=1)
    assert output.startswith("4 pictures: ")
    assert "broken.png" in errors
    assert "1 pictures could not be measured" in errors


def test_picture_of_another_size_names_the_way_out(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (20, 10)).save(workplace / "pictures" / "large.png")
    _, errors = run(capsys, "bpd", "pictures", "--model", "likelihood", status=1)
    assert "large.png is 20×10; this model measures 8×8. Measure with --resize" in errors
    output, _ = run(capsys, "bpd", "pictures", "--model", "likelihood", "--resize")
    assert output.startswith("5 pictures: ")


def test_published_checkpoint_is_converted(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flow = random_flow(dataclasses.replace(TINY_TARFLOW, channels=64, head_dim=64))
    torch.save(flow.state_dict(), workplace / "model.pth")
    output, _ = run(capsys, "convert", "model.pth", "converted", "--classes", "cat, dog,wild")
    assert output.startswith("converted: ")
    assert run(capsys, "generate", "--model", "converted", "--class", "wild")[0] == "wild-0.png\n"
