"""What is said of memory, held against the tensors that are really alive."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from live_memory import LiveMemory
from tiny import TINY, TINY_TARFLOW, random_condition, random_data, random_flow

import starflow_core.flow.predictor
from starflow_core.flow.config import StarFlowConfig, TarFlowConfig
from starflow_core.flow.guidance import TarFlowGuidance
from starflow_core.flow.rotary import rotary_table
from starflow_core.flow.starflow import StarFlow
from starflow_core.insight.likelihood import DENOISED_AT_ONCE, denoise
from starflow_core.memory import denoising_memory, forward_memory, sampling_memory, tuning_memory
from starflow_core.pipeline import Pipeline
from starflow_core.samplers import Jacobi, Sampler, Sequential
from starflow_core.sampling import Sampling
from starflow_core.training import low_rank
from starflow_core.training.loop import Trainer
from starflow_core.training.low_rank import new_low_rank

# Large enough that what is of the transformer's width weighs most, as in real models.
CONFIGS: dict[str, StarFlowConfig | TarFlowConfig] = {
    "starflow": dataclasses.replace(
        TINY,
        **{"in_channels": 4, "img_size": 12, "channels": 160, "head_dim": 40, "expansion": 4},
        **{"num_blocks": 2, "layers_per_block": (1, 4), "txt_size": 8, "txt_dim": 32},
    ),
    "tarflow": dataclasses.replace(
        TINY_TARFLOW, img_size=24, channels=128, head_dim=32, expansion=4, num_blocks=2, layers_per_block=3
    ),
}
LOW, HIGH = 0.85, 1.15  # of what is measured
SAMPLERS: dict[str, Sampler] = {
    "sequential": Sequential(),
    "jacobi": Jacobi(max_iterations=2),
    "window": Jacobi(block_size=32, max_iterations=2),
}


def given(name: str, batch: int) -> dict[str, Any]:
    """What a flow draws from."""
    config = CONFIGS[name]
    return {"z": random_data(config, batch), "condition": random_condition(config, batch)}


def peak(call: Any) -> int:
    rotary_table.cache_clear()  # of what other tests have left there
    with LiveMemory() as live:
        call()
    return live.peak


@pytest.mark.parametrize("drafts", [False, True], ids=["", "drafts"])
@pytest.mark.parametrize("guidance", [0.0, 2.0])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", CONFIGS)
def test_drawing(
    name: str,
    dtype: torch.dtype,
    batch: int,
    sampler: str,
    guidance: float,
    drafts: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if drafts and (dtype == torch.bfloat16 or sampler == "sequential"):
        pytest.skip("never drafted")
    monkeypatch.setattr(starflow_core.flow.predictor, "bfloat16_is_faster", lambda device_type: drafts)
    monkeypatch.setattr(starflow_core.flow.predictor, "DRAFT_ROWS", 0)
    flow, values = random_flow(CONFIGS[name]).to(dtype), given(name, batch)
    other = random_condition(CONFIGS[name], 1, seed=4)
    options: dict[str, Any] = {"guidance": flow.guide(guidance), "sampler": SAMPLERS[sampler]}
    measured = peak(lambda: flow.inverse(values["z"], values["condition"], unconditional=other, **options))
    said = sampling_memory(flow, batch, flow.grid(values["z"]), values["condition"], **options)
    assert LOW < said / measured < HIGH


def test_weights_of_4_bits_are_packed_on_a_cpu() -> None:
    config = dataclasses.replace(CONFIGS["starflow"], channels=320, head_dim=64)
    plain, values = random_flow(config), given("starflow", 1)
    flow = StarFlow.from_state_dict(config, plain.state_dict(), weight_format="int4")
    measured = peak(lambda: flow.inverse(values["z"], values["condition"], sampler=Sequential()))
    said = sampling_memory(flow, 1, (12, 12), values["condition"], sampler=Sequential())
    assert said > 1.2 * sampling_memory(plain, 1, (12, 12), values["condition"], sampler=Sequential())
    assert LOW < said / measured < HIGH


def test_guidance_by_the_temperature_of_attention_alone_makes_two_passes() -> None:
    tarflow: Any = CONFIGS["tarflow"]
    config = dataclasses.replace(tarflow, num_classes=0)
    flow, z = random_flow(config), random_data(config, 2)
    warm = TarFlowGuidance(1.0, attention_temperature=0.7)
    measured = peak(lambda: flow.inverse(z, guidance=warm, sampler=Sequential()))
    said = sampling_memory(flow, 2, flow.grid(z), None, guidance=warm, sampler=Sequential())
    assert LOW < said / measured < HIGH
    plain = sampling_memory(flow, 2, flow.grid(z), None, guidance=TarFlowGuidance(1.0), sampler=Sequential())
    assert said > 1.8 * plain


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", CONFIGS)
def test_likelihood_and_denoising(name: str, dtype: torch.dtype, batch: int) -> None:
    flow, values = random_flow(CONFIGS[name]).to(dtype), given(name, batch)
    grid, condition = flow.grid(values["z"]), values["condition"]
    with torch.no_grad():
        measured = peak(lambda: flow(values["z"], condition))
    assert LOW < forward_memory(flow, batch, grid, condition) / measured < HIGH
    measured = peak(lambda: denoise(flow, values["z"], condition, noise_std=0.1))
    said = denoising_memory(flow, batch, grid, condition)
    assert LOW < said / measured < HIGH
    drawing = sampling_memory(flow, batch, grid, condition, sampler=Sequential())
    assert sampling_memory(flow, batch, grid, condition, sampler=Sequential(), denoise=True) == max(said, drawing)


def test_attention_over_many_tokens_keeps_no_matrices() -> None:
    flow = random_flow(CONFIGS["starflow"])
    x = random_data(dataclasses.replace(CONFIGS["starflow"], img_size=24), 1)
    condition = random_condition(CONFIGS["starflow"], 1)
    with torch.no_grad():
        measured = peak(lambda: flow(x, condition))
    assert LOW < forward_memory(flow, 1, flow.grid(x), condition) / measured < HIGH


def test_weights_that_are_cast_for_a_gradient_are_not_kept() -> None:
    """Otherwise the whole model would lie beside itself, in the dtype or on the device that it computes on."""
    flow, values = random_flow(CONFIGS["starflow"]).to(torch.bfloat16), given("starflow", 1)
    flow.dtype = torch.float32
    weights = {name: 4 * tensor.numel() for name, tensor in flow.blocks[-1].state_dict().items()}
    measured = peak(lambda: denoise(flow, values["z"], values["condition"], noise_std=0.1))
    said = denoising_memory(flow, 1, (12, 12), values["condition"])
    one_layer = sum(size for name, size in weights.items() if "attn_blocks.0" in name)
    assert measured < HIGH * said + one_layer
    assert measured < said + sum(weights.values()) / 2


def test_denoising_does_not_grow_with_the_batch() -> None:
    flow = random_flow(CONFIGS["tarflow"])
    at_once = DENOISED_AT_ONCE // 144
    few, many = given("tarflow", at_once), given("tarflow", 2 * at_once)
    one = peak(lambda: denoise(flow, few["z"], few["condition"], noise_std=0.1))
    two = peak(lambda: denoise(flow, many["z"], many["condition"], noise_std=0.1))
    assert two < 1.05 * one
    assert LOW < denoising_memory(flow, 2 * at_once, (12, 12), many["condition"]) / two < HIGH


def test_pipeline_draws_as_many_at_once_as_fit(pipeline: Pipeline) -> None:
    """The same pictures, however few there are at once."""
    settings: dict[str, Any] = {"size": 16, "count": 4, "sampler": Sequential(), "guidance": 2.0}
    sampling, shape = Sampling(**settings), pipeline.shape(16)
    condition = pipeline.condition(["cat"])
    two = pipeline.memory(2, shape, condition, sampling)
    assert two < pipeline.memory(3, shape, condition, sampling)
    assert pipeline.at_once(shape, condition, dataclasses.replace(sampling, memory=two)) == 2
    assert pipeline.at_once(shape, condition, dataclasses.replace(sampling, memory=0)) == 1
    batches: list[int] = []
    few = pipeline.generate_latents(
        "cat", memory=two, progress=lambda step: batches.append(len(step.partial())), **settings
    )
    assert set(batches) == {2}
    torch.testing.assert_close(few, pipeline.generate_latents("cat", **settings), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("memory", [1.5, "much", True])
def test_memory_must_be_a_number_of_bytes(pipeline: Pipeline, memory: Any) -> None:
    with pytest.raises(ValueError, match=r"memory is .*; it must be a whole number of bytes"):
        pipeline.generate("cat", memory=memory)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", CONFIGS)
def test_training_of_a_lora(
    name: str, dtype: torch.dtype, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(low_rank, "LARGE", 1)
    base, x = random_flow(CONFIGS[name]).to(dtype), random_data(CONFIGS[name], batch)
    condition = random_condition(CONFIGS[name], batch)
    settings = {"batch_size": batch, "pictures": 9, "learning_rate": 1e-3, "ema_decay": 0.9, "patience": 2}

    def trained() -> None:
        trainer = Trainer(
            new_low_rank(base, 8),
            lambda flow: -flow(x, condition).log_prob.mean(),
            tmp_path / "checkpoint.pt",
            settings | {"log_pictures": batch},
            lambda flow: 0.0,
            rng=random.Random(0),
            autocast=False,
            shares_frozen=True,
        )
        trainer.step()
        trainer.best.see(0.0, {name: p for name, p in trainer.model.named_parameters() if p.requires_grad})
        trainer.step()

    weights = sum(parameter.numel() * parameter.itemsize for parameter in base.parameters())
    measured = peak(trained)  # beside the weights, which are there before
    said = tuning_memory(base, batch, base.grid(x), condition, rank=8) - weights
    assert LOW < said / measured < HIGH
