"""Samplers where there is hardly anything to sample, in an unusual dtype, or with settings of another flow."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from tiny import TINIES, TINY, TINY_TARFLOW, random_condition, random_data, random_flow

import starflow_core.flow.predictor
from starflow_core.flow.config import StarFlowConfig, TarFlowConfig
from starflow_core.samplers import Jacobi, Progress, Sampler, Sequential
from starflow_core.samplers.calibration import count_iterations

ONE_TOKEN: dict[str, StarFlowConfig | TarFlowConfig] = {
    "starflow": dataclasses.replace(TINY, img_size=1),
    "starflow without a start token": dataclasses.replace(TINY, img_size=1, sos=False),
    "starflow without text": dataclasses.replace(TINY, img_size=1, txt_size=0),
    "tarflow": dataclasses.replace(TINY_TARFLOW, img_size=2),
}


@pytest.mark.parametrize("sampler", [Sequential(), Jacobi(), Jacobi(iterations=(1, 1, 1))], ids=str)
@pytest.mark.parametrize("guidance", [0.0, 2.0])
@pytest.mark.parametrize("config", ONE_TOKEN.values(), ids=ONE_TOKEN.keys())
def test_one_token(
    config: StarFlowConfig | TarFlowConfig, guidance: float, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starflow_core.flow.predictor, "bfloat16_is_faster", lambda device_type: True)
    monkeypatch.setattr(starflow_core.flow.predictor, "DRAFT_ROWS", 0)
    flow, z, condition = random_flow(config), random_data(config), random_condition(config)
    guiding: dict[str, Any] = (
        {"guidance": guidance, "unconditional": random_condition(config, 1, seed=5)} if condition is not None else {}
    )
    steps: list[Progress] = []
    x = flow.inverse(z, condition, sampler=sampler, progress=steps.append, **guiding)
    assert steps[-1].done == steps[-1].total
    torch.testing.assert_close(x, flow.inverse(z, condition, **guiding))
    if not guidance:
        torch.testing.assert_close(flow(x, condition).z, z, rtol=1e-4, atol=1e-5)


def test_one_token_needs_one_iteration() -> None:
    config = ONE_TOKEN["tarflow"]
    assert count_iterations(random_flow(config), random_data(config), random_condition(config)) == (1, 1, 1)


@pytest.mark.parametrize("kind", TINIES)
def test_float64(kind: str) -> None:
    config = TINIES[kind]
    flow, z, condition = random_flow(config).double(), random_data(config), random_condition(config)
    assert flow.dtype == torch.float64
    x = flow.inverse(z, condition, sampler=Jacobi(tolerance=1e-5))
    torch.testing.assert_close(x, flow.inverse(z, condition), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(flow(x, condition).z, z, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("iterations", [(), (3,), (3, 3)])
def test_iterations_of_another_flow_are_refused(iterations: tuple[int, ...]) -> None:
    flow = random_flow(TINY)
    with pytest.raises(ValueError, match=r"iterations is \(.*\), which has no count for block 3 of this flow"):
        flow.inverse(random_data(TINY), random_condition(TINY), sampler=Jacobi(iterations=iterations))
