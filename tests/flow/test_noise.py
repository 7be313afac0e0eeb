from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from starflow_core.flow.noise import SEEDS, check_seed, seeded_noise, seeded_uniform

DRAWS: dict[str, Any] = {"normal": seeded_noise, "uniform": seeded_uniform}


@pytest.fixture(params=DRAWS)
def draw(request: pytest.FixtureRequest) -> Any:
    return DRAWS[request.param]


def test_image_of_a_seed_does_not_depend_on_the_count(draw: Any) -> None:
    together = draw((2, 3), 5, 4)
    assert together.shape == (4, 2, 3)
    for i in range(4):
        assert torch.equal(together[i], draw((2, 3), 5 + i, 1)[0])


def test_seeds_differ_and_repeat(draw: Any) -> None:
    noise = draw((8,), 0, 10)
    assert len({tuple(image.tolist()) for image in noise}) == 10
    assert torch.equal(noise, draw((8,), 0, 10))


def test_seeds_go_round_at_the_largest(draw: Any) -> None:
    assert torch.equal(draw((3,), SEEDS - 1, 2)[1], draw((3,), 0, 1)[0])


def test_every_bit_of_the_seed_counts(draw: Any) -> None:
    images = {tuple(draw((4,), seed, 1)[0].tolist()) for seed in (0, 1, 2**31, 2**32, 2**63, SEEDS - 1)}
    assert len(images) == 6


def test_noise_is_standard_normal_float32() -> None:
    noise = seeded_noise((100, 100), 0, 1)
    assert noise.dtype == torch.float32
    assert noise.device.type == "cpu"
    assert abs(float(noise.mean())) < 0.05
    assert float(noise.std()) == pytest.approx(1, abs=0.05)


def test_uniform_noise_is_in_the_unit_interval_in_float32() -> None:
    noise = seeded_uniform((100, 100), 0, 1)
    assert noise.dtype == torch.float32
    assert noise.device.type == "cpu"
    assert 0 <= noise.min() < 0.001
    assert 0.999 < noise.max() < 1
    assert float(noise.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(noise.std()) == pytest.approx(12**-0.5, abs=0.01)


def test_neither_the_global_generator_nor_the_default_dtype_matters(draw: Any) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    before = draw((3,), 9, 1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(draw((3,), 9, 1), before)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("seed", [0, 1, SEEDS - 1])
def test_seed_in_range_is_accepted(seed: int) -> None:
    check_seed(seed)


@pytest.mark.parametrize("seed", [-1, SEEDS, True, 1.0, math.nan, "1", None])
def test_other_seeds_are_refused(draw: Any, seed: Any) -> None:
    with pytest.raises(ValueError, match=r"seed is .*; it must be a whole number from 0 to 18446744073709551615"):
        check_seed(seed)
    with pytest.raises(ValueError, match="seed is"):
        draw((1,), seed, 1)
