"""The recipes of the embedded models, from pictures to model folders and their figures, on a few coloured shapes."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pictures import HELD_OUT, sentence_embeddings, tiny_config, write_pictures

from recipes import (
    autoencoder,
    classes,
    contact_sheet,
    data,
    evaluate,
    export,
    figures,
    flow,
    judge,
    meaning,
    plot,
    reference,
    tarflow,
)
from recipes.config import Config, arguments, load_config
from recipes.evaluate import Evaluation
from recipes.pictures.picture import Picture
from recipes.pool import Pool
from starflow_core.codecs.classes import NO_CLASS
from starflow_core.insight import known_pictures
from starflow_core.insight import reference as reference_of_core
from starflow_core.insight.scoring import LogProbs
from starflow_core.pipeline import Pipeline
from starflow_core.training import loop, mixed_precision
from starflow_core.training.loop import Trainer
from starflow_core.weights.model_folder import EMBEDDED, VAE_WEIGHTS, load


@pytest.fixture(scope="module", autouse=True)
def on_cpu_without_a_language_model() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        patch.setattr(torch.backends.mps, "is_available", lambda: False)
        patch.setattr(meaning, "sentence_embeddings", sentence_embeddings)
        patch.setattr(meaning, "common_words", lambda: ["puppy", "automobile"])
        patch.setattr(flow, "emoji_names", lambda config: {"❤": "red heart"})
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A configuration all of whose models have been trained for a moment."""
    folder = tmp_path_factory.mktemp("training") / "data"
    write_pictures(folder)
    config = tiny_config(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "LOG_PICTURES", 8)
        autoencoder.train(config)
        autoencoder.refine(config)
        flow.train(config)
        judge.train(config)
        for name in config.tarflow:
            tarflow.train(config, name)
    return config


def longer(config: Config, part: str, pictures: int) -> Config:
    settings: dict[str, Any] = getattr(config, part) | {"pictures": pictures}
    return dataclasses.replace(config, **{part: settings})


# Pictures


def test_pictures_are_trained_on_or_held_out(trained: Config) -> None:
    pictures = data.load(trained)
    trained_on = pictures.rows(pictures.trained)
    assert len(trained_on) + len(pictures.unseen) + len(pictures.unknown) < len(
        pictures.pictures
    )  # a style is held out
    assert {row.id for row in pictures.rows(pictures.unseen)} == HELD_OUT.pictures
    assert {row.name for row in pictures.rows(pictures.unknown)} == HELD_OUT.names
    assert not any(HELD_OUT.keeps_out(row) for row in trained_on)


def test_pictures_are_scaled_with_their_alpha(trained: Config) -> None:
    whole, small = data.load(trained), data.load(trained, 8)
    assert small.pictures.images.shape[1:] == (8, 8, 3)
    assert small.pictures.alpha.shape[1:] == (8, 8)
    blocks = whole.pictures.images[0].reshape(8, 2, 8, 2, 3).mean((1, 3))
    np.testing.assert_allclose(small.pictures.images[0], blocks, atol=1)


def test_some_places_are_always_the_same() -> None:
    places = np.arange(100)
    assert (data.some(places, 10) == data.some(places, 10)).all()
    assert len(set(data.some(places, 10))) == 10
    assert len(data.some(places, 1000)) == 100


def test_pool_brings_new_samples_and_keeps_the_newest(trained: Config) -> None:
    pictures = data.load(trained)
    pool = Pool(pictures.samples(0), autoencoder.load(trained), capacity=12, fresh=3, first=8)
    first, captions = pool.draw(8)
    assert first.shape == (8, 4, 8, 8)
    assert len(captions) == 8 == len(pool.latents)
    sizes, oldest = [], pool.latents[0]
    for _ in range(4):
        assert len(pool.draw(8)[0]) == 8
        sizes.append(len(pool.latents))
    assert sizes == [11, 12, 12, 12]
    assert pool.latents[0] is not oldest
    other = Pool(pictures.samples(0), autoencoder.load(trained), capacity=12, fresh=3, first=20)
    torch.testing.assert_close(other.draw(8)[0], first)
    other.draw(8)
    assert len(other.latents) == 12  # as many as there is room for, before any is seen again


# Training and export


def test_trained_model_is_exported_loaded_and_draws(trained: Config, tmp_path: Path) -> None:
    export.export(export.starflow_pipeline(trained), tmp_path / "model")
    pipeline = load(tmp_path / "model", device="cpu")
    assert (pipeline.defaults.guidance, pipeline.defaults.denoise, pipeline.trained_side) == (1.0, True, 16)
    assert pipeline.flow.config.noise_std == 0.2
    image = pipeline.generate("red heart", seed=1)[0]
    assert image.size == (16, 16)
    assert np.isfinite(pipeline.score(image, "red heart").bits_per_dim)
    assert pipeline.reconstruct(image).latent_error < 1e-3


def test_exported_model_brings_what_its_likelihoods_are_compared_with(
    trained: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_of_core, "LEAST_PICTURES", 4)
    monkeypatch.setattr(reference, "LEAST_PICTURES", 4)
    monkeypatch.setattr(known_pictures, "LEAST_PICTURES", 4)
    export.export(export.starflow_pipeline(trained), tmp_path / "model")
    reference.write(trained, tmp_path / "model")
    found = load(tmp_path / "model", device="cpu").reference
    pictures = data.load(trained)
    is_held_out = len(pictures.unseen) >= 4
    expected = pictures.unseen if is_held_out else pictures.trained
    assert found is not None
    assert found.kind == ("held out" if is_held_out else "trained on")
    assert found.size == (16, 16)
    assert found.described is not None
    assert found.plain.number == found.described.number == min(len(expected), reference.PICTURES)


def test_model_of_too_few_pictures_gets_no_reference(
    trained: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "LEAST_PICTURES", 10**6)
    export.export(export.tarflow_pipeline(trained, "drawing"), tmp_path / "model")
    reference.write(trained, tmp_path / "model")
    assert load(tmp_path / "model", device="cpu").reference is None
    assert "too few pictures" in capsys.readouterr().out


def test_first_models_are_known_by_their_weights() -> None:
    listed = reference._first()
    for name, weights in listed["weights"].items():
        pipeline = load(name, device="cpu")
        assert reference_of_core.identity(pipeline.flow) == weights
    classes_of_first = load("tarflow-mini-8bit", device="cpu").classes
    assert classes_of_first is not None
    assert set(listed["names"].values()) <= set(classes_of_first.names)


def test_exported_encoder_has_the_trained_features_in_one_table(trained: Config, tmp_path: Path) -> None:
    export.export(export.starflow_pipeline(trained), tmp_path / "model")
    model, encoder, _ = export.load(trained)
    ids, mask = encoder.tokenize(["red heart", "automobile"])
    expected = model.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    loaded = load(tmp_path / "model", device="cpu").text_encoder
    assert loaded is not None
    assert loaded.unread("automobile, zebra") == ["Not understood in “automobile, zebra”: “zebra”."]
    features = loaded.encode(["red heart", "automobile"])
    torch.testing.assert_close(features, expected * mask[..., None], rtol=0.05, atol=0.05)


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
    image = pipeline.generate("heart", seed=1)[0]
    assert image.size == (8, 8)
    assert np.isfinite(pipeline.score(image, "heart").bits_per_dim)


def test_untrained_tarflow_is_the_identity(trained: Config) -> None:
    untrained = tarflow.build(trained.tarflow["drawing"])
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(untrained(x).z, x)


def test_batches_show_the_classes_that_they_say(trained: Config) -> None:
    pictures = data.load(trained, 8)
    known = {classes.NAMES.index(name) for name in ("heart", "fruit", "car")}
    for name, others in (("drawing", False), ("likelihood", True)):
        batches = tarflow.Batches(trained.tarflow[name], pictures)
        seen = [batches.draw() for _ in range(30)]
        assert set(torch.cat([labels for _, labels in seen]).tolist()) == known | {NO_CLASS}
        assert all(x.shape == (4, 3, 8, 8) and x.abs().max() <= 1 for x, _ in seen)
        weights = np.diff([0.0, *batches._until])
        drawn = {
            row.name.split()[-1] for row, weight in zip(pictures.rows(pictures.trained), weights, strict=True) if weight
        }
        assert ("thing" in drawn) is others


def test_bits_of_an_untrained_flow_are_those_of_a_normal_distribution(trained: Config) -> None:
    """−log₂ N(0; 0, 1) and seven bits for the 128 steps in a unit."""
    untrained = tarflow.build(trained.tarflow["drawing"])
    bits = tarflow.bits_per_dim(untrained, torch.zeros(2, 3, 8, 8), torch.tensor([0, -1]))
    assert float(bits.detach()) == pytest.approx(7 + 0.5 * np.log2(2 * np.pi), abs=1e-4)


def test_edges_of_the_transformers_do_not_round(trained: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed_precision, "bfloat16_is_faster", lambda kind: True)
    block = tarflow.build(trained.tarflow["drawing"]).blocks[0]
    layer, edge = block.attn_blocks[0].mlp.main[0], block.proj_in
    for linear, rounds in ((layer, True), (edge, False)):
        assert isinstance(linear, torch.nn.Linear)
        nearly_one = torch.full((1, linear.in_features), 1.001)  # 1 in bfloat16
        assert torch.equal(linear(nearly_one), linear(torch.ones_like(nearly_one))) is rounds


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("grinning face", "face"),
        ("smiling cat face", "cat"),
        ("school bus", "car"),
        ("school", "house"),
        ("gear", None),
    ],
)
def test_names_have_classes(name: str, expected: str | None) -> None:
    label = classes.label(Picture("x", "x", "emoji", "emoji", name, "MIT", "x"))
    assert (None if label is None else classes.NAMES[label]) == expected


def test_avatars_are_persons() -> None:
    avatar = Picture(
        "x", "x", "avatar", "avatar", "x", "CC0-1.0", "x", attributes={"person": "old man", "hat": "cat hat"}
    )
    assert classes.label(avatar) == classes.NAMES.index("person")


def test_latents_are_scaled_to_a_standard_deviation_of_one(trained: Config) -> None:
    pictures = data.load(trained)
    latents = flow.latents_of(autoencoder.load(trained), pictures.images(pictures.trained))
    assert float(latents.std()) == pytest.approx(1, abs=0.02)


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


def test_autoencoder_starts_from_that_of_a_model(trained: Config, tmp_path: Path) -> None:
    export.export(export.starflow_pipeline(trained), tmp_path / "model")
    start = tmp_path / "model" / "vae" / "diffusion_pytorch_model.safetensors"
    write_pictures(tmp_path / "data")
    config = tiny_config(tmp_path / "data")
    autoencoder.train(dataclasses.replace(config, autoencoder=config.autoencoder | {"start": str(start)}))
    used, expected = autoencoder.load(config).state_dict(), autoencoder.load(trained).state_dict()
    assert all(torch.equal(used[name], expected[name].bfloat16().float()) for name in expected)


def test_flow_starts_from_that_of_a_model(trained: Config, tmp_path: Path) -> None:
    """With its text encoder, whose words' parts add up to what the model folder holds."""
    export.export(export.starflow_pipeline(trained), tmp_path / "model")
    model = load(tmp_path / "model", device="cpu", dtype=torch.float32)
    encoder = flow.text_encoder(trained, data.load(trained))
    fresh = flow.TextToLatents(trained, encoder)
    flow.start_from(fresh, encoder, model)
    assert all(torch.equal(fresh.flow.state_dict()[name], w) for name, w in model.flow.state_dict().items())
    prompts = ["a red thing", "puppy", ""]
    torch.testing.assert_close(encoder.encode(prompts), model.text_encoder.encode(prompts), rtol=1e-3, atol=1e-3)
    embedding = encoder.model.get_input_embeddings()
    assert float(embedding.own.detach()[encoder.tokenizer.ids("puppy")[0]].abs().max()) < 0.02  # which no caption has


def test_model_of_other_words_is_no_start(trained: Config, pipeline: Pipeline) -> None:
    encoder = flow.text_encoder(trained, data.load(trained))
    with pytest.raises(SystemExit, match="knows other words than these captions have"):
        flow.start_from(flow.TextToLatents(trained, encoder), encoder, pipeline)


def test_log_holds_a_row_for_every_stretch(trained: Config) -> None:
    for checkpoint in (autoencoder.CHECKPOINT, autoencoder.REFINED, flow.CHECKPOINT, judge.CHECKPOINT):
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


def test_muon_trains_all_matrices_of_transformer_layers(trained: Config) -> None:
    model = flow.TextToLatents(trained, flow.text_encoder(trained, data.load(trained)))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {names[id(weight)] for weight in model.hidden_weights()}
    layers = ("flow.blocks.0.attn_blocks.0.", "text_encoder.encoder.block.0.")
    assert all(any(name.startswith(layer) for name in found) for layer in layers)
    assert not any("proj_in" in name or "proj_out" in name or "shared" in name or "bias" in name for name in found)


def test_training_goes_on_from_its_checkpoint(trained: Config, tmp_path: Path) -> None:
    folder = shutil.copytree(trained.folder, tmp_path / "data")
    config = dataclasses.replace(trained, data=trained.data | {"folder": str(folder)})
    flow.train(longer(config, "flow", 24))
    state = torch.load(folder / flow.CHECKPOINT, weights_only=True)
    assert state["pictures"] == 24
    adamw, muon = state["optimizers"]
    assert {int(entry["step"]) for entry in adamw["state"].values()} == {6}
    assert muon["state"]


def test_published_hyperparameters_can_be_read() -> None:
    config = load_config()
    assert config.data["image_size"] % 2 ** (len(config.autoencoder["block_out_channels"]) - 1) == 0
    assert flow.build_flow(config, config.text_encoder["d_model"]).config.has_text


def test_step_can_be_given_another_configuration() -> None:
    smoke = Path(data.__file__).with_name("smoke.toml")
    given = arguments("What it does.\n\nMore.", models=True, argv=["--config", str(smoke), "starflow-mini"])
    assert (given.config.data["folder"], given.models) == ("build/smoke", ["starflow-mini"])
    assert flow.build_flow(given.config, given.config.text_encoder["d_model"]).config.has_text


@pytest.mark.parametrize(
    ("step", "command"),
    [
        (data.load, r"recipes\.pictures\.prepare"),
        (autoencoder.load, r"recipes\.autoencoder"),
        (judge.load, r"recipes\.judge"),
    ],
)
def test_steps_in_the_wrong_order_say_what_to_run(step: Any, command: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=f"python -m {command}"):
        step(tiny_config(tmp_path))


def test_export_before_training_says_what_to_run(tmp_path: Path) -> None:
    write_pictures(tmp_path / "data")
    with pytest.raises(SystemExit, match=r"python -m recipes\.flow"):
        export.load(tiny_config(tmp_path / "data"))


# Figures, sheets and curves


@pytest.mark.parametrize("name", ["another", "starflow-mini"])
def test_vae_of_an_embedded_model_is_not_stored_twice(name: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EMBEDDED / "starflow-mini", tmp_path / name))
    export._share_vae(folder)
    assert (folder / "vae" / VAE_WEIGHTS).exists() == (name == "starflow-mini")
    assert load(folder, device="cpu").autoencoder is not None


def test_every_figure_is_measured_and_written_to_the_card(trained: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PICTURES", "NAMES", "PAIRS", "MATCHED", "PROMPTS", "SEEDS", "TIMED"):
        monkeypatch.setattr(evaluate, name, 2)
    monkeypatch.setattr(evaluate, "CANDIDATES", (3,))
    monkeypatch.setattr(evaluate, "PEOPLES", ("a cat", "a red heart"))
    export.export(export.starflow_pipeline(trained), trained.models / "starflow-mini")
    monkeypatch.setattr(evaluate, "arguments", lambda doc: argparse.Namespace(config=trained))
    evaluate.main()
    card = (trained.models / "starflow-mini" / "README.md").read_text()
    for what in (
        *(
            "PSNR",
            "bits/dim",
            "recall@1 of 2 names",
            "recall@5",
            "right caption among 3",
            "prompts as people type them",
        ),
        *(
            "colour right",
            "style right",
            "subject right",
            "held-out pictures",
            "held-out names",
            "seeds",
            "time a picture",
        ),
    ):
        assert what in card, what
    evaluate.main()
    assert (trained.models / "starflow-mini" / "README.md").read_text().count("recall@1 of 2 names") == 1


class Perfect:
    """A judge that reads a picture's prompt off its first pixels."""

    def __init__(self, prompts: list[str]) -> None:
        self.prompts = prompts

    def ranks(self, images: Any, texts: Any, right: Any) -> list[int]:
        said = [self.prompts[np.asarray(image)[0, 0, 0]] for image in images]
        return [0 if texts[place] == prompt else 9 for prompt, place in zip(said, right, strict=True)]


def test_what_the_judge_finds_is_counted(trained: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = ["a cat", "a dog", "a house", "a boat"]
    judged = dataclasses.replace(Evaluation.of(trained, export.starflow_pipeline(trained)), judge=Perfect(prompts))  # type: ignore[arg-type]

    def drawn(self: Pipeline, some: Any, **how: Any) -> list[Image.Image]:
        places = [prompts.index(prompt) for prompt in some]
        return [Image.new("RGB", (2, 2), ((place if place < 3 else 0), 0, 0)) for place in places]

    monkeypatch.setattr(Pipeline, "generate", drawn)
    assert [figure.value for figure in judged.recall(prompts, "prompts")] == [0.75, 0.75]


def test_the_likelier_caption_is_found(trained: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = Evaluation.of(trained, export.starflow_pipeline(trained))
    names = [row.name for row in evaluation.pictures.rows(evaluation.pictures.unseen)]
    places = evaluation.pictures.unseen
    monkeypatch.setattr(Evaluation, "trained_names", ["x", "y", "z"])
    monkeypatch.setattr(
        evaluate, "log_probs", lambda flow, x, given, seeds: LogProbs(given.view(1, -1, 1), torch.zeros(1, 3, 1, 1))
    )
    for right, expected in ((1.0, 1.0), (-1.0, 0.0)):
        monkeypatch.setattr(Evaluation, "_features", lambda _, text, right=right: torch.tensor(right * (text in names)))
        assert evaluation.caption_found(places, 3, "pictures").value == expected


def test_judge_ranks_what_fits_better(trained: Config) -> None:
    loaded = judge.load(trained)
    images = np.zeros((3, 16, 16, 3), np.uint8)
    texts = ["a", "b", "c", "d"]
    scores = loaded.features(images) @ loaded.text_features(texts).T
    assert loaded.ranks(images, texts, [0, 1, 2]) == [int((row > row[i]).sum()) for i, row in enumerate(scores)]
    torch.testing.assert_close(loaded.features(images).norm(dim=-1), torch.ones(3))


def test_sheets_show_all_kinds_of_prompts(trained: Config) -> None:
    sheets = contact_sheet.prompt_sheets(trained)
    assert set(sheets) == {"prompts", "people", "captions", "colours", "composed", "styles", "seeds", "held_out"}
    assert sheets["held_out"][0] == ["purple thing"]
    assert sheets["colours"][0] == ["blue apple"]
    sheet = contact_sheet.contact_sheet([Image.new("RGB", (16, 16))] * 9, ["a"] * 9)
    assert sheet.width > sheet.height


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
