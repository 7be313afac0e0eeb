"""A model of the pictures in a folder: trained, stopped, resumed and used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from own_pictures import QUICK, write_picture, write_pictures
from PIL import Image
from safetensors.torch import load_file

from starflow_core import Anomaly
from starflow_core.cli import main as cli
from starflow_core.flow.starflow import StarFlow
from starflow_core.training import checkpoint, journal, loop, train
from starflow_core.training.log import curves
from starflow_core.training.loop import Trainer
from starflow_core.weights.model_folder import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures")


def quick(folder: Path, output: Path, **settings: Any) -> list[str]:
    """Train for a moment, and return what was said."""
    return said_of(folder, output, **QUICK | settings)


def said_of(folder: Path, output: Path, **settings: Any) -> list[str]:
    said: list[str] = []
    train(folder, output, say=said.append, **settings)
    return said


def weights(model: Path) -> dict[str, torch.Tensor]:
    return load_file(model / "model.safetensors")


def assert_same(first: Path, second: Path) -> None:
    expected = weights(second)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(first).items())
    log, other = (model / "training" / "checkpoint.csv" for model in (first, second))
    assert log.read_text() == other.read_text()


# Training


def test_pictures_in_folders_become_a_model_of_classes(tmp_path: Path) -> None:
    for seed, name in enumerate(("cat", "dog")):
        write_pictures(tmp_path / "pictures" / name, 6, seed=100 * seed)
    (tmp_path / "pictures" / "cat" / "broken.png").write_text("no picture")
    said = quick(tmp_path / "pictures", tmp_path / "model")
    assert any("broken.png is no picture" in line for line in said)
    assert any("12 pictures. 1 of 13 cannot be read." in line for line in said)
    assert any("given one of 2 classes, from 11 pictures; 1 are held out" in line for line in said)
    pipeline = load(tmp_path / "model", device="cpu")
    assert pipeline.classes is not None
    assert pipeline.classes.names == ("cat", "dog")
    assert pipeline.generate("cat")[0].size == (8, 8)
    assert np.isfinite(pipeline.score(tmp_path / "pictures" / "cat" / "00.png", "dog").bits_per_dim)
    assert "Classes: cat, dog." in (tmp_path / "model" / "README.md").read_text()
    work = tmp_path / "model" / "training"
    held_out = (work / "held_out.txt").read_text().splitlines()
    assert len(held_out) == 1
    assert (tmp_path / "pictures" / held_out[0]).is_file()
    assert curves(work / "checkpoint.csv")["pictures"] == [4, 8, 12, 16, 20, 24]
    assert Image.open(work / "samples" / "000000024.png").size == (32, 16)
    assert (work / "plot.png").exists()


def test_loss_falls(folder: Path, tmp_path: Path) -> None:
    quick(folder, tmp_path / "model", pictures=160, learning_rate=3e-3)
    log = curves(tmp_path / "model" / "training" / "checkpoint.csv")
    assert log["held_out"][-1] < log["held_out"][0] - 0.3


def test_grey_pictures_become_a_model_of_one_channel(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", 24, grey=True)
    said = quick(folder, tmp_path / "model", crop=True, noise_std=0.0)
    assert any("24 pictures, all grey" in line for line in said)
    pipeline = load(tmp_path / "model", device="cpu")
    assert (pipeline.flow.config.in_channels, pipeline.channels, pipeline.flow.is_dequantized) == (1, 1, True)
    (image,) = pipeline.generate("")
    pixels = np.asarray(image)
    assert pixels.shape == (8, 8, 3)
    assert (pixels.max(2) == pixels.min(2)).all()
    assert pipeline.reconstruct(folder / "00.png").latent_error < 1e-3
    assert pipeline.reference is None  # crops do not compare with whole pictures
    scorer = Anomaly.fit(pipeline, folder, draws=1)
    assert scorer.settings.tiled
    write_picture(tmp_path / "colour.png")
    assert set(scorer.score(tmp_path / "colour.png").parts) == {"oddest place", "oddest tile", "whole"}


def test_captions_become_a_model_of_prompts(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        file.with_suffix(".txt").write_text("a red heart" if file.stem < "06" else "a blue xyzzy")
    said = quick(folder, tmp_path / "model", kind="starflow", size=64, pictures=8, mirror=True)
    assert "6 of 12 captions have words that the text encoder does not know." in said
    pipeline = load(tmp_path / "model", device="cpu")
    assert isinstance(pipeline.flow, StarFlow)
    assert pipeline.generate("a red heart", denoise=False)[0].size == (64, 64)
    assert np.isfinite(pipeline.score(folder / "00.png", "a red heart").bits_per_dim)


def test_grey_pictures_may_become_a_model_of_latents(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", grey=True)
    quick(folder, tmp_path / "model", kind="starflow", size=64, pictures=4)
    assert load(tmp_path / "model", device="cpu").channels == 3


def test_latents_without_captions_become_a_model_without_prompts(folder: Path, tmp_path: Path) -> None:
    quick(folder, tmp_path / "model", kind="starflow", size=64, pictures=4, crop=True)
    pipeline = load(tmp_path / "model", device="cpu")
    assert not pipeline.is_conditional
    assert pipeline.generate("", denoise=False)[0].size == (64, 64)


def test_time_chooses_size_and_length(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from starflow_core.training import planning

    monkeypatch.setattr(planning, "_speed", lambda plan, shop: 10.0)
    monkeypatch.setattr(planning, "time", SimpleNamespace(perf_counter=lambda: 0.0))
    said = quick(folder, tmp_path / "model", minutes=0.06, pictures=None, network=None)
    plan = json.loads((tmp_path / "model" / "training" / "plan.json").read_text())
    assert (plan["network"], plan["speed"], plan["settings"]["pictures"]) == ("tiny", 10.0, 32)
    assert any("It sees 32, at 10 a second in some 0.0533 minutes, 4 a step" in line for line in said)


def test_learning_rate_is_searched_for(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from starflow_core.training import search

    monkeypatch.setattr(search, "LEAST_STEPS", 1)
    monkeypatch.setattr(search, "RATES", (1e-7, 4e-3))
    said = quick(folder, tmp_path / "model", pictures=4 * 120)
    assert "Searching a learning rate: 3 steps with each of 2." in said
    plan = json.loads((tmp_path / "model" / "training" / "plan.json").read_text())
    assert plan["settings"]["learning_rate"] == 4e-3


def test_training_that_learns_no_more_stops_early(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([5.0, 4.0, *[6.0] * 100])
    monkeypatch.setattr("starflow_core.training.lessons.Lessons.held_out_bits", lambda self, flow: next(figures))
    said = quick(folder, tmp_path / "model", pictures=400)
    assert "It stopped early, after 176 pictures." in said[-1]  # 20 lines of 2 steps, after the second one
    state = torch.load(tmp_path / "model" / "training" / "checkpoint.pt", weights_only=True)
    assert state["best"]["figure"] == 4.0
    best = state["best"]["weights"]
    assert all(torch.equal(tensor, best[name]) for name, tensor in weights(tmp_path / "model").items())


# Going on


def test_stopped_training_goes_on_bit_by_bit(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After SIGTERM, and again after SIGKILL, of which nothing is left but the last checkpoint."""
    settings = {"pictures": 60, "crop": True, "mirror": True}
    quick(folder, tmp_path / "whole", **settings)
    step = Trainer._step

    def terminated(self: Trainer[Any]) -> float:
        if self.pictures == 16:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self)

    monkeypatch.setattr(Trainer, "_step", terminated)
    with pytest.raises(KeyboardInterrupt):
        quick(folder, tmp_path / "parts", **settings)
    assert torch.load(tmp_path / "parts" / "training" / "checkpoint.pt", weights_only=True)["pictures"] == 20

    def killed(self: Trainer[Any]) -> float:
        if self.pictures == 44:
            raise SystemExit("killed")
        return step(self)

    monkeypatch.setattr(Trainer, "_step", killed)
    with pytest.raises(SystemExit):
        quick(folder, tmp_path / "parts", **settings)
    assert len((tmp_path / "parts" / "training" / "checkpoint.csv").read_text().splitlines()) > 10
    monkeypatch.setattr(Trainer, "_step", step)
    said = said_of(folder, tmp_path / "parts", device="cpu")  # settings that are left away are those of before
    assert any("Going on with the training" in line for line in said)
    assert_same(tmp_path / "parts", tmp_path / "whole")


def test_seeds_differ(folder: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        quick(folder, tmp_path / str(seed), seed=seed)
    first, second = (weights(tmp_path / name) for name in "01")
    assert not torch.equal(first["blocks.0.proj_in.weight"], second["blocks.0.proj_in.weight"])


def test_other_settings_or_pictures_do_not_go_on(folder: Path, tmp_path: Path) -> None:
    quick(folder, tmp_path / "model")
    before = weights(tmp_path / "model")
    with pytest.raises(ValueError, match="holds a training with seed chosen by itself, and now it is 3"):
        quick(folder, tmp_path / "model", seed=3)
    write_picture(folder / "new.png", 99)
    with pytest.raises(ValueError, match="holds a training on other pictures"):
        quick(folder, tmp_path / "model")
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(tmp_path / "model").items())


def test_full_disk_leaves_the_last_checkpoint(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(folder, tmp_path / "whole", pictures=40)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    save, saved = torch.save, list[None]()

    def full(state: Any, path: Path) -> None:
        if len(saved) == 4:
            path.write_bytes(b"half")
            raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0\nmore")
        saved.append(save(state, path))

    monkeypatch.setattr(checkpoint.torch, "save", full)
    with pytest.raises(OSError, match=r"checkpoint.pt cannot be written \(\[enforce fail.* the last one is whole"):
        quick(folder, tmp_path / "parts", pictures=40)
    work = tmp_path / "parts" / "training"
    assert not list(work.glob("*.part"))
    assert torch.load(work / "checkpoint.pt", weights_only=True)["pictures"] == 16
    monkeypatch.setattr(checkpoint.torch, "save", save)
    quick(folder, tmp_path / "parts", pictures=40)
    assert_same(tmp_path / "parts", tmp_path / "whole")


def test_damaged_checkpoint_is_told(folder: Path, tmp_path: Path) -> None:
    quick(folder, tmp_path / "model")
    (tmp_path / "model" / "training" / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is no checkpoint, or it is damaged; remove it"):
        quick(folder, tmp_path / "model")
    (tmp_path / "model" / "training" / "plan.json").write_text("{}")
    with pytest.raises(ValueError, match="is no plan of a training that this version reads"):
        quick(folder, tmp_path / "model")


def test_two_processes_train_one_model(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    code = "from own_pictures import QUICK; from starflow_core.training import train; "
    code += f"train({str(folder)!r}, 'm', **QUICK)"
    script = tmp_path / "script.py"
    script.write_text(code)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    paths = os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])
    own = os.environ | {"PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8"}
    said = subprocess.run(
        launch, cwd=tmp_path, env=own, check=True, timeout=200, stdout=subprocess.PIPE
    ).stdout.decode()
    assert said.count(", 4 a step in each process, with the learning rate") == 1
    assert "4 a step in each process" in (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    state = torch.load(tmp_path / "m" / "training" / "checkpoint.pt", weights_only=True)
    assert state["pictures"] == 24  # 3 steps of 4 pictures in each of 2 processes
    assert len(state["generators"]) == 2
    assert load(tmp_path / "m", device="cpu").trained_side == 8


# What is refused


@pytest.mark.parametrize(("number", "found"), [(1, "1 picture"), (7, "7 pictures")])
def test_too_few_pictures_are_refused(number: int, found: str, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", number)
    (folder / "broken.png").write_text("no picture")
    with pytest.raises(ValueError, match=rf"holds {found} to learn; 1 of {number + 1} cannot be read. 8 are needed"):
        quick(folder, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_folder_of_something_else_is_not_written_to(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.tex").write_text("…")
    with pytest.raises(ValueError, match="is not empty, and holds no training to go on with"):
        quick(folder, tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["thesis.tex"]


def test_model_does_not_lie_among_its_pictures(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"lies in .* its samples would be taken for pictures to learn"):
        quick(folder, folder / "model")


@pytest.mark.parametrize(("kind", "own"), [("tarflow", "classes"), ("starflow", "captions")])
def test_conditions_that_are_not_there_are_refused(kind: str, own: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"There are no {own} for the pictures in"):
        quick(folder, tmp_path / "model", kind=kind, condition=own, size=64)


def test_unknown_device_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no kind of device called 'abacus'"):
        quick(folder, tmp_path / "model", device="abacus")


# The command


def test_command_trains_and_its_model_is_used_by_others(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    how = ["--network", "tiny", "--size", "8", "--batch-size", "4", "--pictures", "16", "--device", "cpu", "--crop"]
    assert cli.main(["train", "pictures", "-o", "mine", *how]) == 0
    assert "mine: " in capsys.readouterr().out
    assert cli.main(["anomaly", "fit", "pictures", "-o", "good.safetensors", "--model", "mine", "--draws", "1"]) == 0
    assert "12 normal pictures, looked at tile by tile" in capsys.readouterr().out
    assert cli.main(["generate", "", "--model", "mine", "-o", "drawn.png"]) == 0
    assert cli.main(["train", "pictures", "-o", "other", "--size", "9"]) == 1
    assert capsys.readouterr().err.endswith("size is 9; it must be a multiple of 8 up to 1024, for a tarflow.\n")


def test_command_that_is_stopped_says_how_to_go_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def stopped(self: Trainer[Any]) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        return 1.0

    monkeypatch.setattr(Trainer, "_step", stopped)
    how = ["--network", "tiny", "--size", "8", "--pictures", "64", "--device", "cpu"]
    assert cli.main(["train", "pictures", "-o", "mine", *how]) == 130
    out, err = capsys.readouterr()
    assert "The training is kept in mine; the same command goes on with it." in out
    assert err.endswith("Cancelled.\n")


def test_plots_and_boards_are_left_out_where_they_are_missing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    quick(folder, tmp_path / "model")
    work = tmp_path / "model" / "training"
    assert not (work / "plot.png").exists()
    assert not (work / "tensorboard").exists()
    assert journal.sheet([Image.new("RGB", (4, 4))] * 3).size == (8, 8)
