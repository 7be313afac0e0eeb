from __future__ import annotations

import argparse
import dataclasses
import io
import json
import random
import shutil
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from recipes import autoencoder, classes, data, evaluate, export, figures, flow, plot, tarflow, text
from recipes.colours import recoloured
from recipes.config import Config, arguments, load_config
from recipes.evaluate import Evaluation
from recipes.held_out import HeldOut
from recipes.subjects import Subject
from starflow_core.pipeline import Pipeline
from starflow_core.training import loop, mixed_precision
from starflow_core.training.loop import Trainer
from starflow_core.weights.model_folder import load

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 220), "black": (20, 20, 20)}
SHAPES = ("square", "bar")
FLAG = "flag"  # a red picture whose name does not say so
GROUP = {"square": "geometric", "bar": "food-fruit", "flag": "geometric"}


def write_pictures(folder: Path, side: int) -> None:
    """Coloured shapes on white, in the files that `recipes.data` writes."""
    folder.mkdir(parents=True)
    rows, images = [], []
    for i, (name, colour) in enumerate(COLOURS.items()):
        for shape in (*SHAPES, FLAG) if name == "red" else SHAPES:
            image = np.full((side, side, 3), 255, np.uint8)
            image[side // 4 : -side // 4, side // 4 : (3 * side // 4 if shape == "square" else side)] = colour
            images.append(image)
            rows.append(
                {
                    "name": FLAG if shape == FLAG else f"{name} {shape}",
                    "keywords": [name, shape],
                    "character": chr(0x1F600 + i),
                    "image": "x.png",
                    "group": GROUP[shape],
                    "style": "flat",
                }
            )
    np.save(folder / "images.npy", np.stack(images))
    (folder / "subjects.json").write_text(json.dumps(rows))
    HeldOut(frozenset({"black bar", "red square"}), {"flag": ("blue",)}).save(folder / "held_out.json")


def tiny_config(folder: Path) -> Config:
    schedule = {"batch_size": 4, "pictures": 16, "learning_rate": 1e-3, "ema_decay": 0.9, "seed": 0}
    return Config(
        data={
            "folder": str(folder),
            "image_size": 16,
            "held_out": str(folder / "held_out.json"),
            "models": str(folder / "models"),
        },
        autoencoder={
            "block_out_channels": [8, 8],
            "layers_per_block": 1,
            "latent_channels": 4,
            "norm_num_groups": 4,
            "latent_noise": 0.2,
            "kl_weight": 1e-5,
            "recoloured": 0.5,
            "moved": 1.0,
            "styles": ["flat"],
            **schedule,
        },
        decoder={"latent_noise": 0.2, "recoloured": 0.5, "moved": 0.5, "styles": ["flat"], **schedule},
        text_encoder={"d_model": 16, "d_kv": 8, "num_heads": 2, "d_ff": 16, "num_layers": 1, "max_tokens": 4},
        flow={
            "channels": 40,
            "layers_per_block": [1, 1],
            "head_dim": 20,
            "soft_clip": 6,
            "noise_std": 0.2,
            "dropped_captions": 0.1,
            "unknown_words": 0.05,
            "styles": ["flat"],
            "recoloured": 0.5,
            "moved": 0.3,
            "warmup_pictures": 8,
            "weight_decay": 0.01,
            **schedule,
        },
        sampling={"guidance": 1.0, "denoise": True},
        tarflow={
            "drawing": tiny_tarflow(0.1, schedule) | {"classes": ["fruit", "shape", "cat"]},
            "likelihood": tiny_tarflow(0.0, schedule),
        },
    )


def tiny_tarflow(noise_std: float, schedule: dict[str, Any]) -> dict[str, Any]:
    return {
        "styles": ["flat"],
        "image_size": 8,
        "patch_size": 2,
        "channels": 64,
        "num_blocks": 2,
        "layers_per_block": 1,
        "noise_std": noise_std,
        "dropped_classes": 0.1,
        "recoloured": 0.3,
        "balanced": noise_std > 0,
        "sampling": {"guidance": 1.0, "denoise": noise_std > 0},
        **schedule,
    }


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A configuration whose autoencoder and flows have been trained for a moment."""
    folder = tmp_path_factory.mktemp("training") / "data"
    write_pictures(folder, 16)
    config = tiny_config(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        patch.setattr(loop, "LOG_PICTURES", 8)
        autoencoder.train(config)
        autoencoder.refine(config)
        flow.train(config)
        for name in config.tarflow:
            tarflow.train(config, name)
    return config


def longer(config: Config, part: str, pictures: int) -> Config:
    settings: dict[str, Any] = getattr(config, part) | {"pictures": pictures}
    return dataclasses.replace(config, **{part: settings})


def test_trained_model_is_exported_loaded_and_draws(trained: Config, tmp_path: Path) -> None:
    export.export(export.starflow_pipeline(trained), tmp_path / "model")
    pipeline = load(tmp_path / "model", device="cpu")
    assert (pipeline.defaults.guidance, pipeline.defaults.denoise, pipeline.trained_side) == (1.0, True, 16)
    assert pipeline.flow.config.noise_std == 0.2
    image = pipeline.generate("red square", seed=1)[0]
    assert image.size == (16, 16)
    assert np.isfinite(pipeline.score(image, "red square").bits_per_dim)
    assert pipeline.reconstruct(image).latent_error < 1e-3


def test_exported_weights_are_the_averaged_ones(trained: Config, tmp_path: Path) -> None:
    export.export(export.starflow_pipeline(trained), tmp_path / "model")
    loaded = load(tmp_path / "model", device="cpu")
    average = torch.load(trained.folder / flow.CHECKPOINT, weights_only=True)["average"]
    for name, tensor in loaded.flow.state_dict().items():
        torch.testing.assert_close(tensor, average[f"flow.{name}"].bfloat16().float(), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["drawing", "likelihood"])
def test_trained_tarflow_is_exported_loaded_and_draws(trained: Config, tmp_path: Path, name: str) -> None:
    export.export(export.tarflow_pipeline(trained, name), tmp_path / name)
    pipeline = load(tmp_path / name, device="cpu")
    average = torch.load(tarflow.checkpoint(trained, name), weights_only=True)["average"]
    stored = torch.float16 if pipeline.flow.is_dequantized else torch.bfloat16
    for tensor_name, tensor in pipeline.flow.state_dict().items():
        torch.testing.assert_close(tensor, average[tensor_name].to(stored).float(), rtol=0, atol=0)
    assert pipeline.flow.is_dequantized == (name == "likelihood")
    image = pipeline.generate("shape", seed=1)[0]
    assert image.size == (8, 8)
    assert np.isfinite(pipeline.score(image, "shape").bits_per_dim)


def test_untrained_tarflow_is_the_identity(trained: Config) -> None:
    untrained = tarflow.build(trained.tarflow["drawing"])
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(untrained(x).z, x)


@pytest.mark.parametrize("name", ["drawing", "likelihood"])
def test_mirrored_and_recoloured_pictures_keep_their_labels(trained: Config, name: str) -> None:
    names = tarflow.names(trained.tarflow[name])
    batches = tarflow.Batches(trained.tarflow[name], data.load(trained), HeldOut.load(trained.held_out))
    seen = [batches.draw() for _ in range(20)]
    labels = set(torch.cat([labels for _, labels in seen]).tolist())
    assert labels == {-1, names.index("shape"), names.index("fruit")}
    assert all(x.shape == (4, 3, 8, 8) and x.abs().max() <= 1 for x, _ in seen)


def test_model_of_some_classes_sees_no_pictures_of_others(trained: Config) -> None:
    everything = data.load(trained)
    kept, labels = tarflow.labelled(everything, trained.tarflow["drawing"] | {"classes": ["cat", "fruit"]})
    assert labels == [1] * len(COLOURS)
    assert {subject.group for subject in kept.subjects} == {GROUP["bar"]}
    assert len(tarflow.labelled(everything, trained.tarflow["likelihood"])[1]) == len(everything.subjects)


def test_bits_of_an_untrained_flow_are_those_of_a_normal_distribution(trained: Config) -> None:
    """−log₂ N(0; 0, 1) and seven bits for the 128 steps in a unit."""
    untrained = tarflow.build(trained.tarflow["drawing"])
    bits = tarflow.bits_per_dim(untrained, torch.zeros(2, 3, 8, 8), torch.tensor([0, -1]))
    assert float(bits.detach()) == pytest.approx(7 + 0.5 * np.log2(2 * np.pi), abs=1e-4)


def test_products_of_the_transformers_are_made_in_bfloat16(trained: Config) -> None:
    layer, x = mixed_precision.Bfloat16Linear(4, 4), torch.full((1, 4), 1.001)
    assert layer(x).dtype == torch.float32
    assert torch.equal(layer(x), layer(torch.ones(1, 4)))  # 1.001 is 1 in bfloat16
    edge = tarflow.build(trained.tarflow["drawing"]).blocks[0].proj_in
    assert not torch.equal(edge(torch.full((1, 12), 1.001)), edge(torch.ones(1, 12)))


@pytest.mark.parametrize(
    ("group", "name", "expected"),
    [
        ("face-smiling", "grinning face", "face"),
        ("cat-face", "smiling cat", "cat"),
        ("animal-mammal", "cat", "cat"),
        ("animal-mammal", "cattle", "animal"),
        ("transport-ground", "bus", "vehicle"),
        ("transport-sign", "no entry", "sign"),
        ("office", "paperclip", "thing"),
    ],
)
def test_groups_have_classes(group: str, name: str, expected: str) -> None:
    label = classes.label(Subject(name, (), "x", "x.png", group))
    assert classes.NAMES[label] == expected


def test_latents_are_scaled_to_a_standard_deviation_of_one(trained: Config) -> None:
    images = autoencoder.load(trained)
    latents = flow.latents_of(images, data.load(trained).images[::4])
    assert float(latents.std()) == pytest.approx(1, abs=0.01)


def test_refined_decoder_reads_the_latents_that_there_were(trained: Config) -> None:
    first, second = (
        torch.load(trained.folder / checkpoint, weights_only=True)["average"]
        for checkpoint in (autoencoder.CHECKPOINT, autoencoder.REFINED)
    )
    changed = {name.partition(".")[0] for name in first if not torch.equal(first[name], second[name])}
    assert changed == {"decoder"}
    used = autoencoder.load(trained).state_dict()
    assert all(torch.equal(used[name], second[name]) for name in used)


def test_decoder_of_another_autoencoder_is_refused(trained: Config, tmp_path: Path) -> None:
    data_folder = shutil.copytree(trained.folder, tmp_path / "data")
    state = torch.load(data_folder / autoencoder.CHECKPOINT, weights_only=True)
    state["average"]["encoder.conv_in.bias"] += 1
    torch.save(state, data_folder / autoencoder.CHECKPOINT)
    with pytest.raises(SystemExit, match=r"decoder\.pt is of another autoencoder; remove it"):
        autoencoder.load(dataclasses.replace(trained, data=trained.data | {"folder": str(data_folder)}))


def test_log_holds_a_row_for_every_stretch(trained: Config) -> None:
    for checkpoint in (autoencoder.CHECKPOINT, autoencoder.REFINED, flow.CHECKPOINT):
        rows = (trained.folder / checkpoint).with_suffix(".csv").read_text().splitlines()
        assert rows[0] == "pictures,loss,held_out"
        assert [row.split(",")[0] for row in rows[1:]] == ["8", "16"]


def test_finished_training_does_nothing_more(trained: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.load(trained.folder / flow.CHECKPOINT, weights_only=True)
    monkeypatch.setattr(Trainer, "_step", lambda self: pytest.fail("a step was made"))
    flow.train(trained)
    after = torch.load(trained.folder / flow.CHECKPOINT, weights_only=True)
    assert after["pictures"] == before["pictures"] == 16
    assert all(torch.equal(after["model"][name], tensor) for name, tensor in before["model"].items())


def test_training_goes_on_from_its_checkpoint(trained: Config) -> None:
    flow.train(longer(trained, "flow", 24))
    state = torch.load(trained.folder / flow.CHECKPOINT, weights_only=True)
    assert state["pictures"] == 24
    assert {int(entry["step"]) for entry in state["optimizer"]["state"].values()} == {6}


# The loop


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))


def squared_distance(model: Line) -> Tensor:
    return (model.weight - torch.tensor([1.0, 2.0, 3.0])).square().sum()


def new_trainer(folder: Path, pictures: int, **settings: Any) -> Trainer[Line]:
    schedule = {"batch_size": 4, "learning_rate": 0.05, "ema_decay": 0.9, "warmup_pictures": 4, **settings}
    checkpoint = folder / "line.pt"
    return Trainer(Line(), squared_distance, checkpoint, schedule | {"pictures": pictures}, lambda model: 0.0)


def test_interrupted_training_ends_as_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = new_trainer(tmp_path / "whole", 80).run()

    trainer, steps = new_trainer(tmp_path / "parts", 80), 0
    step = trainer._step

    def interrupted() -> float:
        nonlocal steps
        steps += 1
        if steps == 8:
            raise KeyboardInterrupt
        return step()

    monkeypatch.setattr(trainer, "_step", interrupted)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    parts = new_trainer(tmp_path / "parts", 80)
    assert parts.pictures == 28
    torch.testing.assert_close(parts.run().weight, whole.weight)


def test_loss_falls(tmp_path: Path) -> None:
    before = squared_distance(Line())
    assert squared_distance(new_trainer(tmp_path, 400).run()) < 0.5 * before


def test_batch_with_an_overflowing_gradient_is_skipped(tmp_path: Path) -> None:
    calls = 0

    def sometimes_infinite(model: Line) -> Tensor:
        nonlocal calls
        calls += 1
        return squared_distance(model) * (float("inf") if calls % 3 == 0 else 1.0)

    trainer = new_trainer(tmp_path, 120)
    trainer.loss = sometimes_infinite
    model = trainer.run()
    assert trainer.skipped == 10
    assert model.weight.isfinite().all()
    assert squared_distance(model) < 13.9


def test_training_that_overflows_all_the_time_ends_before_it_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "MAX_SKIPPED", 3)
    trainer = new_trainer(tmp_path, 120)
    trainer.loss = lambda model: squared_distance(model) * float("nan")
    with pytest.raises(FloatingPointError, match="learning rate"):
        trainer.run()
    assert not (tmp_path / "line.pt").exists()


def test_checkpoint_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_trainer(tmp_path, 8).run()
    before = (tmp_path / "line.pt").read_bytes()

    def fail(state: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        new_trainer(tmp_path, 16).run()
    assert (tmp_path / "line.pt").read_bytes() == before


def test_learning_rate_rises_and_falls(tmp_path: Path) -> None:
    trainer = new_trainer(tmp_path, 1000, warmup_pictures=100)
    rates = []
    for trainer.pictures in (0, 50, 100, 500, 1000):
        rates.append(trainer._learning_rate())
    assert rates[0] < rates[1] < rates[2] > rates[3] > rates[4] > 0
    assert rates[4] == pytest.approx(0.05 / 50)


# Data and text


def test_moved_pictures_keep_their_shape_and_move() -> None:
    image = np.full((64, 64, 3), 255, np.uint8)
    image[16:48, 16:48] = 0
    rng = random.Random(0)
    moved = [data.moved(image, rng) for _ in range(20)]
    assert all(picture.shape == image.shape and picture.dtype == np.uint8 for picture in moved)
    assert len({picture.tobytes() for picture in moved}) > 10


def test_share_of_words_becomes_unknown() -> None:
    caption = "red heart " * 100
    assert text.with_unknown_words(caption, 0.0, random.Random(0)).split() == caption.split()
    assert set(text.with_unknown_words(caption, 1.0, random.Random(0)).split()) == {text.UNKNOWN}
    some = text.with_unknown_words(caption, 0.3, random.Random(0)).split()
    assert 0.15 < some.count(text.UNKNOWN) / len(some) < 0.45


def test_published_hyperparameters_can_be_read() -> None:
    config = load_config()
    assert config.data["image_size"] % 2 ** (len(config.autoencoder["block_out_channels"]) - 1) == 0
    assert flow.build_flow(config, config.text_encoder["d_model"]).config.has_text


@pytest.mark.parametrize(
    ("load_part", "command"),
    [(data.load, "recipes.data"), (autoencoder.load, "recipes.autoencoder")],
)
def test_steps_in_the_wrong_order_say_what_to_run(load_part: Any, command: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=f"python -m {command}"):
        load_part(tiny_config(tmp_path))


def test_export_before_training_says_what_to_run(tmp_path: Path) -> None:
    write_pictures(tmp_path / "data", 16)
    with pytest.raises(SystemExit, match=r"python -m recipes\.flow"):
        export.load(tiny_config(tmp_path / "data"))


# Figures and curves


def test_every_figure_is_measured_and_written_to_the_card(trained: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PICTURES", "CAPTIONS", "PAIRS", "PROMPTS", "SEEDS", "TIMED"):
        monkeypatch.setattr(evaluate, name, 2)
    export.export(export.starflow_pipeline(trained), trained.models / "starflow-mini")
    monkeypatch.setattr(evaluate, "arguments", lambda doc: argparse.Namespace(config=trained))
    evaluate.main()
    card = (trained.models / "starflow-mini" / "README.md").read_text()
    for what in (
        "PSNR",
        "bits/dim",
        "recall@1",
        "recall@5",
        "colour right",
        "subject right",
        "seeds",
        "time a picture",
    ):
        assert what in card
    evaluate.main()
    assert (trained.models / "starflow-mini" / "README.md").read_text().count("recall@1 of") == 1


def test_pictures_that_are_drawn_perfectly_are_recalled(trained: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = Evaluation.of(trained, export.starflow_pipeline(trained))
    drawn = {s.name: image for s, image in zip(evaluation.training.subjects, evaluation.training.images, strict=True)}
    drawn["blue flag"] = recoloured(drawn["flag"], "blue")
    monkeypatch.setattr(Pipeline, "generate", lambda self, prompt, **_: [Image.fromarray(drawn[prompt])])
    assert [figure.value for figure in evaluation.recall(20)] == [1, 1]
    assert [figure.value for figure in evaluation.compositions(20)] == [1, 1, 1]
    drawn = {name: np.full_like(image, 255) for name, image in drawn.items()}
    assert next(evaluation.compositions(20)).value == 0
    assert next(evaluation.recall(20)).value < 1


def test_figures_need_a_place_on_the_card(tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text("# a model\n")
    with pytest.raises(ValueError, match="figures: begin"):
        figures.write("|", tmp_path / "card.md")
    assert (tmp_path / "card.md").read_text() == "# a model\n"


def test_curves_are_plotted_from_the_logs(trained: Config, tmp_path: Path) -> None:
    logs = [trained.folder / "autoencoder.csv", trained.folder / "flow.csv"]
    assert plot.curves(logs[1])["pictures"] == [8, 16]
    plot.plot(logs).savefig(tmp_path / "curves.png")
    assert Image.open(tmp_path / "curves.png").width > 500


def test_curves_of_a_training_that_was_cut_off_are_those_of_what_was_gone_on_with(tmp_path: Path) -> None:
    log = tmp_path / "flow.csv"
    log.write_text("pictures,loss,held_out\n10,3,3\n20,2,2\n30,9,9\n20,2.5,2\n30,1,1\n")
    assert plot.curves(log) == {"pictures": [10, 20, 30], "loss": [3, 2.5, 1], "held_out": [3, 2, 1]}


def test_learning_rate_is_constant_before_it_falls(tmp_path: Path) -> None:
    trainer = new_trainer(tmp_path, 1000, warmup_pictures=100, cooldown=0.2)
    rates = []
    for trainer.pictures in (100, 500, 800, 900, 1000):
        rates.append(trainer._learning_rate())
    assert rates[0] == rates[1] == rates[2] == 0.05
    assert rates[2] > rates[3] > rates[4] == pytest.approx(0.05 / 50)


def test_package_is_unpacked_without_what_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("package/emoji.json", "package/img/google/64/1.png", "package/img/google/sheets/64.png"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"1234"))
    monkeypatch.setattr(urllib.request, "urlopen", lambda address, timeout: io.BytesIO(packed.getvalue()))
    folder = data._npm_package("emoji@1.0", tmp_path)
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == ["emoji.json", "img/google/64/1.png"]
    monkeypatch.setattr(urllib.request, "urlopen", lambda address, timeout: pytest.fail("fetched again"))
    assert data._npm_package("emoji@1.0", tmp_path) == folder


def test_step_can_be_given_another_configuration() -> None:
    smoke = Path(data.__file__).with_name("smoke.toml")
    given = arguments("What it does.\n\nMore.", models=True, argv=["--config", str(smoke), "starflow-mini"])
    assert (given.config.data["folder"], given.models) == ("build/smoke", ["starflow-mini"])
    assert flow.build_flow(given.config, given.config.text_encoder["d_model"]).config.has_text
