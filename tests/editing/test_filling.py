"""Fills of holes in a flow's data: known places stay, chains follow the density, and settings are checked."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from tiny import TINIES, TINY, random_condition, random_data, random_flow

from starflow_core.editing.exchange import exchanged
from starflow_core.editing.filling import Hole, filled
from starflow_core.editing.jumps import jumped
from starflow_core.editing.langevin import walk
from starflow_core.editing.settings import Filling
from starflow_core.editing.target import Density, Target
from starflow_core.flow.noise import NoiseStream, seeded_noise
from starflow_core.samplers import Progress, Sequential


@pytest.fixture(params=TINIES)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def target_of(kind: str, **settings: Any) -> Target:
    config = dataclasses.replace(TINIES[kind], noise_std=0.2)
    return Target(random_flow(config), random_condition(config, 1), random_condition(config, 1, seed=9), **settings)


def hole_of(kind: str) -> Hole:
    x = random_data(TINIES[kind], 1)
    mask = torch.zeros(1, 1, *x.shape[2:], dtype=torch.bool)
    mask[..., 1:3, :3] = True
    return Hole.in_data(x, mask)


def test_density_is_the_models_own(kind: str) -> None:
    target, x = target_of(kind), random_data(TINIES[kind], 1)
    found = target(x)
    torch.testing.assert_close(found.log, target.flow(x, target.condition).log_prob)
    step = 1e-2 * found.gradient / found.gradient.norm()
    rise = float(target(x + step).log - target(x - step).log)
    assert rise == pytest.approx(2e-2 * float(found.gradient.norm()), rel=0.05)


def test_guidance_and_temperature_sharpen_the_density(kind: str) -> None:
    x = random_data(TINIES[kind], 1)
    plain = target_of(kind)
    sharp = dataclasses.replace(plain, guidance=2.0, temperature=0.5)
    given, away = (float(plain.flow(x, one).log_prob) for one in (plain.condition, plain.unconditional))
    assert float(sharp(x).log) == pytest.approx((3 * given - 2 * away) / 0.5, rel=1e-4)


def test_chain_has_the_density_as_its_law() -> None:
    """Of a Gaussian, whose mean and variance are known; a walk without rejection would miss the variance."""
    mean, std = 0.7, 0.5

    class Gaussian:
        def __call__(self, x: torch.Tensor) -> Density:
            return Density(-((x - mean) ** 2).sum((1, 2, 3)) / (2 * std**2), -(x - mean) / std**2)

    x, hole = torch.zeros(1, 1, 1, 2), torch.tensor([[[[True, False]]]])
    seen: list[float] = []
    found = walk(
        Gaussian(),  # type: ignore[arg-type]
        x,
        hole,
        NoiseStream((1, 1, 2), 3),
        steps=6_000,
        step=0.3,
        report=lambda now: seen.append(float(now[..., 0])),
    )
    kept = torch.tensor(seen[1000:])
    assert float(kept.mean()) == pytest.approx(mean, abs=0.07)
    assert float(kept.std()) == pytest.approx(std, abs=0.04)
    assert float(found.x[..., 1]) == 0  # known
    assert 0.4 < found.accepted < 0.8


def test_plain_iteration_ends_with_the_given_noise_in_the_hole(kind: str) -> None:
    """Where it settles, the noise of the hole is the given one, and known places are exact."""
    target, hole = target_of(kind), hole_of(kind)
    noise = seeded_noise(hole.known.shape[1:], 5, 1)
    x, change = hole.known, 1.0
    for _ in range(60):
        before = x
        x = exchanged(target.flow, x, hole.mask, noise, target.condition, sampler=Sequential())
        change = float((x - before).norm() / x.norm())
    assert change < 1e-4
    assert torch.equal(torch.where(hole.mask, 0, x), torch.where(hole.mask, 0, hole.known))
    z = target.flow(x, target.condition).z
    torch.testing.assert_close(torch.where(hole.mask, z, 0), torch.where(hole.mask, noise, 0), rtol=0, atol=1e-2)


def test_jumps_gather_at_the_mean_as_far_as_the_temperature_lets_them() -> None:
    """Of a Gaussian whose only spread is the noise of training: its law is met exactly, at any temperature."""
    mean, sigma, T = 0.7, 0.2, 0.25

    class Noised:
        temperature = T

        def __call__(self, x: torch.Tensor) -> Density:
            return Density(x.new_zeros(1), -(x - mean) / (sigma**2 * T))

    seen: list[float] = []
    hole = torch.tensor([[[[True, False]]]])
    x = jumped(
        Noised(),  # type: ignore[arg-type]
        torch.zeros(1, 1, 1, 2),
        hole,
        NoiseStream((1, 1, 2), 3),
        steps=4000,
        noise_std=sigma,
        report=lambda now: seen.append(float(now[..., 0])),
    )
    kept = torch.tensor(seen)
    assert float(kept.mean()) == pytest.approx(mean, abs=0.01)
    assert float(kept.std()) == pytest.approx(sigma * T**0.5, rel=0.05)
    assert float(x[..., 1]) == 0  # known


def test_known_places_stay_and_seeds_decide(kind: str) -> None:
    target, hole = target_of(kind, temperature=0.5), hole_of(kind)
    settings = Filling(rounds=1, steps=3)
    one, same, other = (filled(target, hole, seed, settings, Sequential()) for seed in (1, 1, 2))
    assert torch.equal(one.x, same.x)
    assert not torch.equal(one.x, other.x)
    assert torch.equal(torch.where(hole.mask, 0, one.x), torch.where(hole.mask, 0, hole.known))
    assert one.residual > 0
    assert 0 <= one.accepted <= 1


def test_known_data_are_refreshed_with_what_fills_the_hole() -> None:
    target, hole = target_of("starflow"), hole_of("starflow")
    calls: list[torch.Tensor] = []

    def refreshed(x: torch.Tensor) -> torch.Tensor:
        calls.append(x)
        return x + 0.01

    found = filled(target, dataclasses.replace(hole, refreshed=refreshed), 0, Filling(rounds=2, steps=3), Sequential())
    assert len(calls) == 5  # after each round, and each part of the steps
    assert torch.equal(torch.where(hole.mask, 0, found.x), torch.where(hole.mask, 0, calls[-1] + 0.01))


def test_hole_of_everything_or_nothing_is_refused() -> None:
    x = random_data(TINY, 1)
    for mask, told in ((torch.zeros(1, 1, 4, 4), "mask is empty"), (torch.ones(1, 1, 4, 4), "mask less")):
        with pytest.raises(ValueError, match=told):
            Hole.in_data(x, mask.bool())


def test_progress_grows_to_the_end_and_can_cancel(kind: str) -> None:
    shares: list[float] = []

    def report(step: Progress) -> None:
        assert step.partial().shape == hole_of(kind).known.shape
        shares.append(step.done / step.total)

    settings = Filling(rounds=2, steps=3)
    filled(target_of(kind), hole_of(kind), 0, settings, Sequential(), report)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 5

    def cancel(step: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        filled(target_of(kind), hole_of(kind), 0, settings, Sequential(), cancel)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"seed": 0.5}, r"seed is 0\.5"),
        ({"count": 0}, "count is 0"),
        ({"count": 65}, "from 1 to 64"),
        ({"rounds": True}, "rounds is True"),
        ({"steps": 10_001}, "steps is 10001"),
        ({"rounds": 0, "steps": 0}, "both 0"),
        ({"temperature": 0}, "temperature is 0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"guidance": -1}, "guidance is -1"),
        ({"guidance": math.inf}, "guidance is inf"),
        ({"feather": -1}, "feather is -1"),
        ({"feather": 2000}, "feather is 2000"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Filling(**settings)
