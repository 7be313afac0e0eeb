"""STARFlow LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from node_runs import run

from nodes.values import Model
from starflow_core.insight.reference import identity
from starflow_core.lora.adapter import Lora, zero_change
from starflow_core.lora.apply import with_loras


@pytest.fixture
def loras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of LoRAs."""
    monkeypatch.setenv("STARFLOW_HOME", str(tmp_path))
    (tmp_path / "loras" / "own").mkdir(parents=True)
    return tmp_path / "loras"


def lora_of(model: Model) -> Lora:
    flow = model.pipeline.flow
    weights = {n.removesuffix(".weight"): w for n, w in flow.state_dict().items() if n.endswith("mlp.main.0.weight")}
    lora = zero_change(weights, 2, torch.Generator().manual_seed(0))
    return Lora(lora.down, {name: t + 0.01 for name, t in lora.up.items()}, 2.0, model.pipeline.name, identity(flow))


def test_model_is_that_of_the_library(tarflow: Model, loras: Path) -> None:
    lora = lora_of(tarflow)
    lora.save(loras / "own" / "style.safetensors")
    once = run("Lora", model=tarflow, lora="own/style.safetensors", strength=0.5)
    expected = with_loras(tarflow.pipeline, [(lora, 0.5)]).flow.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in once.pipeline.flow.state_dict().items())
    assert once.flow.part is once.pipeline.flow
    assert run("Lora", model=tarflow) is tarflow
    first, second = (run("Sampler", model=model, seed=3)["samples"] for model in (tarflow, once))
    assert not torch.equal(first, second)


def test_lora_of_another_model_is_refused(tarflow: Model, starflow: tuple[Model, Any], loras: Path) -> None:
    lora_of(tarflow).save(loras / "style.safetensors")
    with pytest.raises(ValueError, match="This LoRA is of the model 'tarflow-mini'"):
        run("Lora", model=starflow[0], lora="style.safetensors")
    with pytest.raises(ValueError, match=r"Lora is 'none.safetensors', and must be one of none, style.safetensors"):
        run("Lora", model=tarflow, lora="none.safetensors")
