"""LoRAs: trained, kept in a file, and added to a model."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from own_pictures import write_pictures
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import HERE, TINY, TINY_TARFLOW, random_condition, random_data, random_flow

from starflow_core.cli import main as cli
from starflow_core.codecs.classes import Classes
from starflow_core.flow.flow import Flow
from starflow_core.insight.reference import identity
from starflow_core.lora.adapter import FILE, Lora, zero_change
from starflow_core.lora.apply import parsed, with_loras
from starflow_core.pipeline import Pipeline
from starflow_core.training import low_rank, train
from starflow_core.training.loop import Trainer
from starflow_core.training.low_rank import LowRankLinear, add_low_rank, lora_of, merged_state, new_low_rank
from starflow_core.weights.model_folder import load, save

QUICK: dict[str, Any] = {"pictures": 24, "batch_size": 4, "device": "cpu"}


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline(random_flow(replace(TINY_TARFLOW, num_classes=0)), None, None, name="tiny")


@pytest.fixture
def base(pipeline: Pipeline, tmp_path: Path) -> Path:
    save(pipeline, tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures")


def random_lora(pipeline: Pipeline, seed: int = 0, **about: str) -> Lora:
    generator = torch.Generator().manual_seed(seed)
    weights = {
        n.removesuffix(".weight"): w for n, w in pipeline.flow.state_dict().items() if "attention.qkv.weight" in n
    }
    lora = zero_change(weights, 3, generator)
    up = {name: 0.1 * torch.randn(tensor.shape, generator=generator) for name, tensor in lora.up.items()}
    return Lora(lora.down, up, 6.0, **about)


# Its file


def test_file_is_that_of_the_ecosystem(pipeline: Pipeline, tmp_path: Path) -> None:
    lora = random_lora(pipeline, base="tiny", weights="12345678")
    lora.save(tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", "pt") as opened:
        assert opened.metadata() == {"format": "pt", "rank": "3", "alpha": "6", "base": "tiny", "weights": "12345678"}
        names = set(opened.keys())
    assert "flow.blocks.0.attn_blocks.0.attention.qkv.lora_A.weight" in names
    assert "flow.blocks.0.attn_blocks.0.attention.qkv.lora_B.weight" in names
    found = Lora.load(tmp_path / "a.safetensors")
    assert (found.rank, found.alpha, found.base, found.weights) == (3, 6.0, "tiny", "12345678")
    assert all(torch.equal(found.change(name), lora.change(name)) for name in lora.down)


def test_names_of_peft_are_read(pipeline: Pipeline, tmp_path: Path) -> None:
    lora = random_lora(pipeline)
    lora.save(tmp_path / "a.safetensors")
    tensors = load_file(tmp_path / "a.safetensors")
    save_file(
        {f"base_model.model.{name.removeprefix('flow.')}": t for name, t in tensors.items()}, tmp_path / "b.safetensors"
    )
    found = Lora.load(tmp_path / "b.safetensors")
    assert found.down.keys() == lora.down.keys()
    assert found.alpha == 3.0  # the rank, where nothing else is said


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"x.lora_A.weight": torch.ones(2, 3)}, "both of each"),
        ({"x.lora_A.weight": torch.ones(2, 3), "x.lora_B.weight": torch.ones(3, 4)}, "one rank"),
        ({"x.weight": torch.ones(2, 3)}, "other tensors than lora_A and lora_B"),
        ({"x.lora_A.weight": torch.ones(2, 3), "x.lora_B.weight": torch.full((3, 2), torch.nan)}, "not finite"),
    ],
)
def test_other_files_are_refused(tensors: dict[str, torch.Tensor], message: str, tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=rf"a.safetensors is no LoRA that can be used: .*{message}"):
        Lora.load(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"half")
    with pytest.raises(ValueError, match="is no LoRA, or it is damaged"):
        Lora.load(tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match="There is no LoRA"):
        Lora.load(tmp_path / "none.safetensors")


# With a model


def test_changes_of_several_add_up_by_their_strengths(pipeline: Pipeline) -> None:
    weights = identity(pipeline.flow)
    first, second = (random_lora(pipeline, seed, base="tiny", weights=weights) for seed in (0, 1))
    before = {name: tensor.clone() for name, tensor in pipeline.flow.state_dict().items()}
    changed = with_loras(pipeline, [(first, 0.5), (second, -1.0)])
    name = next(iter(first.down))
    expected = before[f"{name}.weight"] + 0.5 * first.change(name) - second.change(name)
    torch.testing.assert_close(changed.flow.state_dict()[f"{name}.weight"], expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in pipeline.flow.state_dict().items())
    again = with_loras(with_loras(pipeline, [(first, 0.5)]), [(second, -1.0)])  # which is of the same base
    torch.testing.assert_close(again.flow.state_dict()[f"{name}.weight"], expected)
    same = with_loras(pipeline, [(first, 0.0)])
    assert all(torch.equal(tensor, before[name]) for name, tensor in same.flow.state_dict().items())


def test_lora_of_another_model_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(
        ValueError, match="This LoRA is of the model 'other' of weights 00000000; 'tiny' has the weights"
    ):
        with_loras(pipeline, [(random_lora(pipeline, base="other", weights="00000000"), 1.0)])
    other = Pipeline(random_flow(replace(TINY_TARFLOW, num_classes=0, channels=36)), None, None, name="wider")
    with pytest.raises(ValueError, match="This LoRA is of another model"):
        with_loras(other, [(random_lora(pipeline), 1.0)])
    with pytest.raises(ValueError, match="strength is nan"):
        with_loras(pipeline, [(random_lora(pipeline), float("nan"))])


def test_quantised_weights_take_no_lora(base: Path, pipeline: Pipeline) -> None:
    with pytest.raises(ValueError, match="'tiny' has weights of int8, which take no LoRA"):
        with_loras(load(base, device="cpu", dtype="int8"), [(random_lora(pipeline), 1.0)])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.safetensors", ("a.safetensors", 1.0)),
        ("a.safetensors:0.8", ("a.safetensors", 0.8)),
        ("C:/loras/a.safetensors", ("C:/loras/a.safetensors", 1.0)),
        ("folder:-1", ("folder", -1.0)),
    ],
)
def test_strength_follows_a_colon(text: str, found: tuple[str, float]) -> None:
    assert parsed(text) == found


def test_strength_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="'a:strong' is no LoRA with a strength"):
        parsed("a:strong")


# Training


@pytest.mark.parametrize("config", [TINY, TINY_TARFLOW], ids=["starflow", "tarflow"])
def test_layers_of_low_rank_train_alone_and_are_merged(config: Any) -> None:
    flow, x, given = random_flow(config), random_data(config), random_condition(config)
    before = flow(x, given).log_prob
    add_low_rank(flow, 2)
    assert torch.allclose(flow(x, given).log_prob, before)
    layers = [module for module in flow.modules() if isinstance(module, LowRankLinear)]
    assert len(layers) == 4 * sum(len(block.attn_blocks) for block in flow.blocks)
    flow(x, given).log_prob.sum().backward()
    trained = {name for name, parameter in flow.named_parameters() if parameter.grad is not None}
    assert {name.rpartition(".")[2] for name in trained} == {"down", "up"}
    assert len(trained) == 2 * len(layers)
    with torch.no_grad():
        for layer in layers:
            assert layer.up.grad.abs().max() > 0
            layer.up.add_(0.05 * layer.up.grad.sign())
    merged = type(flow).from_state_dict(config, merged_state(flow), **HERE)
    torch.testing.assert_close(merged(x, given).log_prob, flow(x, given).log_prob, rtol=1e-4, atol=1e-3)
    whole = with_loras(Pipeline_of(random_flow(config)), [(lora_of(flow, "", ""), 1.0)])
    expected = merged.state_dict()
    assert all(torch.allclose(t, expected[name], atol=1e-6) for name, t in whole.flow.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("config", [TINY, TINY_TARFLOW], ids=["starflow", "tarflow"])
def test_base_is_shared_and_only_what_is_trained_is_copied_and_kept(
    config: Any, dtype: torch.dtype, tmp_path: Path
) -> None:
    base = random_flow(config).to(dtype)
    x, given = random_data(config), random_condition(config)
    flow, weights = new_low_rank(base, 2), dict(base.state_dict())
    shared = [name for name, p in flow.named_parameters() if name.endswith(".linear.weight")]
    assert len(shared) == 4 * sum(len(block.attn_blocks) for block in flow.blocks)
    for name in shared:
        kept_weight = flow.get_parameter(name)
        assert (kept_weight.dtype, kept_weight.data_ptr()) == (dtype, weights[name.replace(".linear.", ".")].data_ptr())
    expected = random_flow(config)(x, given).log_prob
    torch.testing.assert_close(flow(x, given).log_prob, expected, rtol=0.02, atol=1.0 if dtype.itemsize == 2 else 1e-3)
    settings = {"batch_size": 2, "pictures": 4, "learning_rate": 0.01, "ema_decay": 0.5, "patience": 3}

    def trainer() -> Trainer[Flow]:
        return Trainer(
            new_low_rank(base, 2),
            lambda flow: -flow(x, given).log_prob.mean(),
            tmp_path / "checkpoint.pt",
            settings | {"log_pictures": 2},
            lambda flow: float(-flow(x, given).log_prob.mean()),
            rng=random.Random(0),
            autocast=False,
            shares_frozen=True,
        )

    first = trainer()
    average = first.run()
    frozen = {name for name, p in first.model.named_parameters() if not p.requires_grad}
    own = dict(average.named_parameters())
    assert all(own[name] is p for name, p in first.model.named_parameters() if name in frozen)
    assert all(own[name] is not p for name, p in first.model.named_parameters() if name not in frozen)
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    for part in (kept["model"], kept["average"], kept["best"]["weights"]):
        assert own.keys() - frozen <= part.keys()
        assert not frozen & part.keys()
    again = trainer().run()
    assert all(torch.equal(p, own[name]) for name, p in again.named_parameters())
    assert torch.equal(again(x, given).log_prob, average(x, given).log_prob)


def test_large_flow_keeps_no_activations(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(block.keeps_activations for block in new_low_rank(random_flow(TINY), 2).blocks)
    monkeypatch.setattr(low_rank, "LARGE", 1)
    assert not any(block.keeps_activations for block in new_low_rank(random_flow(TINY), 2).blocks)


def Pipeline_of(flow: Any) -> Any:
    """As far as a LoRA needs one: the flow of latents has no autoencoder here."""

    class Bare:
        name, reference, adapted_from = "bare", None, None

    bare = Bare()
    bare.flow = flow  # type: ignore[attr-defined]
    return bare


def test_lora_is_trained_stopped_and_used(
    folder: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = load_file(base / "model.safetensors")
    said: list[str] = []
    found = train("pictures", "style", base="tiny", lora=2, learning_rate=0.01, say=said.append, **QUICK)
    assert any("A LoRA of rank 2 of tiny learns pictures scaled to 8×8" in line for line in said)
    assert sorted(path.name for path in (tmp_path / "style").iterdir()) == ["README.md", FILE, "training"]
    assert "--model tiny --lora" in (tmp_path / "style" / "README.md").read_text()
    after = load_file(base / "model.safetensors")
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    pipeline = load("tiny", device="cpu")
    plain = pipeline.score(folder / "00.png").log_prob
    assert found.score(folder / "00.png").log_prob > plain
    with_half = with_loras(pipeline, [(Lora.load("style"), 0.5)])
    assert plain < with_half.score(folder / "00.png").log_prob
    assert cli.main(["score", "pictures/00.png", "--model", "tiny", "--lora", "style:1", "--json"]) == 0
    scored = found.score(folder / "00.png").log_prob
    assert json.loads(capsys.readouterr().out)["log_prob"] == pytest.approx(scored, abs=1e-3)
    assert cli.main(["merge", "merged", "--model", "tiny", "--lora", "style:1"]) == 0
    assert "merged: tiny with 1 LoRA." in capsys.readouterr().out
    assert load("merged", device="cpu").score(folder / "00.png").log_prob == pytest.approx(scored, abs=1e-3)
    assert cli.main(["merge", "merged", "--model", "tiny", "--lora", "style"]) == 1
    assert "merged is there already" in capsys.readouterr().err
    assert cli.main(["merge", "other", "--model", "tiny"]) == 1
    assert "There is nothing to merge" in capsys.readouterr().err
    train("pictures", "style", device="cpu", say=said.append)  # which is finished, and stays as it is
    assert any("Going on with the training in style" in line for line in said)


def test_model_is_trained_further(folder: Path, base: Path, tmp_path: Path) -> None:
    before = load(base, device="cpu")
    made = train(folder, tmp_path / "more", base=str(base), learning_rate=3e-3, say=print, **QUICK)
    assert made.flow.config == before.flow.config
    assert made.score(folder / "00.png").log_prob > before.score(folder / "00.png").log_prob


def test_captions_are_learnt_by_a_lora_of_a_starflow(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        file.with_suffix(".txt").write_text("a red heart")
    how = QUICK | {"pictures": 4}
    made = train(folder, tmp_path / "style", base="starflow-mini", lora=1, say=print, **how)
    assert made.name == "starflow-mini"
    assert Lora.load(tmp_path / "style").base == "starflow-mini"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lora": 4}, "A LoRA changes another model; name it with base"),
        ({"base": "tarflow-mini", "dtype": "bfloat16"}, "dtype is that of a base beside a LoRA"),
        ({"base": "tarflow-mini", "lora": 2, "dtype": "half"}, "dtype is 'half'; it must be one of float32, bfloat16"),
        ({"lora": 0, "base": "tarflow-mini"}, "lora is 0; it must be a rank"),
        ({"base": "starflow-mini", "kind": "tarflow"}, "starflow-mini is a starflow and no tarflow"),
        ({"base": "nowhere"}, "There is no model 'nowhere'"),
        ({"base": "tarflow-mini", "network": "tiny"}, "are those of the base; leave them away"),
    ],
)
def test_wrong_bases_are_refused(settings: dict[str, Any], message: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        train(folder, tmp_path / "model", say=print, **QUICK | settings)
    assert not (tmp_path / "model").exists()


def test_classes_are_those_of_the_base(tmp_path: Path) -> None:
    save(Pipeline(random_flow(TINY_TARFLOW), None, None, classes=Classes(("cat", "dog", "owl"))), tmp_path / "base")
    for seed, name in enumerate(("Cat", "owl")):
        write_pictures(tmp_path / "pictures" / name, 6, seed=20 * seed)
    made = train(tmp_path / "pictures", tmp_path / "made", base=str(tmp_path / "base"), lora=2, say=print, **QUICK)
    assert made.classes is not None
    assert made.classes.names == ("cat", "dog", "owl")
    write_pictures(tmp_path / "pictures" / "yak", 6, seed=70)
    with pytest.raises(ValueError, match=r"There is no class 'yak'; this model knows cat, dog, owl. Rename the"):
        train(tmp_path / "pictures", tmp_path / "other", base=str(tmp_path / "base"), lora=2, say=print, **QUICK)
