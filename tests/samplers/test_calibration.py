from __future__ import annotations

import pytest
import torch
from tiny import TINIES, random_condition, random_data, random_flow

from starflow_core.samplers import Sequential, calibration
from starflow_core.samplers.calibration import count_iterations

TOKENS = 16


@pytest.mark.parametrize("kind", TINIES)
def test_every_block_is_counted(kind: str) -> None:
    config = TINIES[kind]
    counts = count_iterations(random_flow(config), random_data(config), random_condition(config))
    assert len(counts) == config.num_blocks
    assert all(1 <= count <= TOKENS for count in counts)


@pytest.mark.parametrize("kind", TINIES)
def test_tighter_tolerance_needs_more(kind: str) -> None:
    config = TINIES[kind]
    flow, z, condition = random_flow(config), random_data(config), random_condition(config)
    loose, tight = (sum(count_iterations(flow, z, condition, tolerance=t)) for t in (0.1, 1e-5))
    assert loose < tight


@pytest.mark.parametrize("kind", TINIES)
def test_block_that_takes_too_long_counts_as_its_tokens_and_is_finished(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "ENOUGH", 1)
    config = TINIES[kind]
    flow, z, condition = random_flow(config), random_data(config), random_condition(config)
    counter = calibration._Counter(1e-6)
    x = flow.inverse(z, condition, sampler=counter)
    assert counter.counts == [TOKENS] * config.num_blocks
    torch.testing.assert_close(x, flow.inverse(z, condition, sampler=Sequential()), rtol=1e-4, atol=1e-5)
