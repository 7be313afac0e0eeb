"""The finished strip on the first page: true of the embedded model, and made by the command that it names."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import save_strip
from PIL import Image

from demo.strip import FACTS, FOLDER
from starflow_core.cli import main as cli
from starflow_core.pipeline import Pipeline


def test_strip_is_what_the_embedded_model_makes(pipeline: Pipeline) -> None:
    """Up to what other processors round otherwise. Where the model has changed, run `python tools/save_strip.py`."""
    pictures, facts = save_strip.strip(pipeline)
    shipped = json.loads(FACTS.read_text())
    assert shipped == facts | {
        "bits_per_dim": pytest.approx(facts["bits_per_dim"], abs=0.002),
        "error": pytest.approx(facts["error"], abs=1e-4),
    }
    assert facts["error"] < 1e-4
    for name, picture in pictures.items():
        with Image.open(FOLDER / f"{name}.png") as file:
            difference = np.abs(np.asarray(file, int) - np.asarray(picture, int))
            assert difference.mean() < 1.0, name
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 200_000


def test_command_makes_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(json.loads(FACTS.read_text())["command"])
    assert program == "starflow"
    assert cli.main(arguments) == 0
    with Image.open(tmp_path / arguments[-1]) as made, Image.open(FOLDER / "picture.png") as shipped:
        assert np.abs(np.asarray(made, int) - np.asarray(shipped, int)).mean() < 1.0


def test_noise_picture_shows_every_number() -> None:
    import torch

    z = torch.arange(-8.0, 8.0).reshape(16, 1, 1) / 4
    shown = np.asarray(save_strip.noise_picture(z))[:: save_strip.CELL, :: save_strip.CELL]
    assert shown.shape == (4, 4)
    assert shown.flatten().tolist() == sorted(shown.flatten().tolist())
    assert shown[0, 0] == 0
    assert shown[2, 0] == 128
