from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from starflow_core.training import checkpoint, log, loop, mixed_precision, stopping
from starflow_core.training.loop import Trainer


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))


def squared_distance(model: Line) -> Tensor:
    return (model.weight - torch.tensor([1.0, 2.0, 3.0])).square().sum()


def new_trainer(folder: Path, pictures: int, **settings: Any) -> Trainer[Line]:
    schedule = {"batch_size": 4, "learning_rate": 0.05, "ema_decay": 0.9, "warmup_pictures": 4, **settings}
    rng = random.Random(0)
    torch.manual_seed(0)

    def loss(model: Line) -> Tensor:
        return squared_distance(model) * (1 + rng.random() + torch.rand(()))

    checkpoint = folder / "line.pt"
    return Trainer(Line(), loss, checkpoint, schedule | {"pictures": pictures}, lambda model: 0.0, rng=rng)


class Map(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)


def new_map_trainer(folder: Path, pictures: int) -> Trainer[Map]:
    torch.manual_seed(0)
    model, schedule = Map(), {"batch_size": 4, "learning_rate": 0.05, "ema_decay": 0.9, "warmup_pictures": 4}

    def loss(model: Map) -> Tensor:
        return (model.linear(torch.eye(3)) - 2 * torch.eye(3)).square().sum() * (1 + torch.rand(()))

    return Trainer(
        model,
        loss,
        folder / "map.pt",
        schedule | {"pictures": pictures},
        lambda model: 0.0,
        rng=random.Random(0),
        hidden_weights=[model.linear.weight],
    )


@pytest.mark.parametrize("new", [new_trainer, new_map_trainer])
def test_interrupted_training_ends_as_an_uninterrupted_one(
    new: Callable[[Path, int], Trainer[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = new(tmp_path / "whole", 80).run()

    trainer, steps = new(tmp_path / "parts", 80), 0
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
    parts = new(tmp_path / "parts", 80)
    assert parts.pictures == 28
    trained = parts.run().state_dict()
    assert all(torch.equal(trained[name], weight) for name, weight in whole.state_dict().items())


def test_device_is_apples_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert loop.device().type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert loop.device().type == "cuda"


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_checkpoint_holds_the_devices_random_state_too(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state, restored = torch.arange(16, dtype=torch.uint8), list[Tensor]()
    monkeypatch.setattr(getattr(torch, kind), "get_rng_state", lambda: state)
    monkeypatch.setattr(getattr(torch, kind), "set_rng_state", restored.append)
    checkpoint.set_random_states(checkpoint.random_states(torch.device(kind)), torch.device(kind))
    assert [one.tolist() for one in restored] == [state.tolist()]


def test_linear_layers_round_to_bfloat16_only_where_that_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    for fast, linear in ((True, mixed_precision.Bfloat16Linear), (False, nn.Linear)):
        monkeypatch.setattr(mixed_precision, "bfloat16_is_faster", lambda kind, fast=fast: fast)
        assert mixed_precision.training_operations("cpu").Linear is linear


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


def test_learning_rate_is_constant_before_it_falls(tmp_path: Path) -> None:
    trainer = new_trainer(tmp_path, 1000, warmup_pictures=100, cooldown=0.2)
    rates = []
    for trainer.pictures in (100, 500, 800, 900, 1000):
        rates.append(trainer._learning_rate())
    assert rates[0] == rates[1] == rates[2] == 0.05
    assert rates[2] > rates[3] > rates[4] == pytest.approx(0.05 / 50)


def test_muon_trains_hidden_weights_and_adamw_the_others(tmp_path: Path) -> None:
    trainer = new_map_trainer(tmp_path, 2_000)
    kinds = {type(optimizer).__name__: optimizer.param_groups[0]["params"] for optimizer in trainer.optimizers}
    linear = trainer.model.linear
    assert {name: [id(p) for p in found] for name, found in kinds.items()} == {
        "AdamW": [id(linear.bias)],
        "Muon": [id(linear.weight)],
    }
    trainer.run()
    assert torch.allclose(linear(torch.eye(3)), 2 * torch.eye(3), atol=0.05)


def test_checkpoints_of_before_go_on(tmp_path: Path) -> None:
    """Those with the generators' states at the top, and without the best weights and the losses."""
    new_trainer(tmp_path, 40).run()
    expected = new_trainer(tmp_path, 80).run().weight
    (tmp_path / "line.pt").unlink()
    new_trainer(tmp_path, 40).run()
    state = torch.load(tmp_path / "line.pt", weights_only=True)
    (own,) = state.pop("generators")
    del state["best"], state["losses"]
    torch.save(state | {"rng": own["python"], "torch_rng": own["torch"]}, tmp_path / "line.pt")
    assert torch.equal(new_trainer(tmp_path, 80).run().weight, expected)


def test_log_is_continued_where_the_checkpoint_is(tmp_path: Path) -> None:
    file = tmp_path / "line.csv"
    for pictures in (4, 8, 12):
        log.append(file, pictures, 1.0, 2.0)
    with file.open("a") as opened:
        opened.write("16,1.0")  # half a line, of a process that was killed
    log.drop_after(file, 8)
    log.append(file, 12, 3.0, 4.0)
    assert file.read_text() == "pictures,loss,held_out\n4,1.00000,2.00000\n8,1.00000,2.00000\n12,3.00000,4.00000\n"
    log.drop_after(tmp_path / "none.csv", 8)
    assert not (tmp_path / "none.csv").exists()


def test_best_weights_are_kept_until_patience_ends() -> None:
    model, best = Line(), stopping.Best(patience=2)
    for number, figure in enumerate([3.0, 2.0, 2.5, float("nan")]):
        with torch.no_grad():
            model.weight.fill_(number)
        assert not best.is_over
        best.see(figure, model.state_dict())
    assert best.is_over
    assert best.weights is not None
    assert best.weights["weight"].tolist() == [1.0, 1.0, 1.0]
    endless = stopping.Best(patience=0)
    endless.see(1.0, model.state_dict())
    assert (endless.is_over, endless.weights) == (False, None)
