"""The size of a network by speed, and the learning rate by a short search."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from starflow_core.training import planning
from starflow_core.training.choices import NETWORKS
from starflow_core.training.networks import choose, starflow_config, tarflow_config, wanted
from starflow_core.training.processes import Processes
from starflow_core.training.request import Plan, Request
from starflow_core.training.search import DEFAULT, RATES, best_rate, search_steps


def chosen(machine: float, seconds: float, numbers: int = 10**12) -> tuple[str, list[str]]:
    """The network, and those that were measured, on a machine of so many weights times pictures a second."""
    measured = []

    def speed(name: str) -> float:
        measured.append(name)
        return machine / NETWORKS[name].parameters("tarflow")

    return choose("tarflow", seconds, numbers, speed)[0], measured


def test_faster_machines_and_longer_trainings_get_larger_networks() -> None:
    assert chosen(1e7, 60)[0] == "tiny"
    assert chosen(1e8, 600)[0] == "tiny"
    assert chosen(2e8, 900)[0] == "small"
    assert chosen(1e10, 900)[0] == "medium"
    assert chosen(1e13, 900)[0] == "huge"


def test_no_network_has_many_more_weights_than_the_pictures_numbers() -> None:
    assert chosen(1e13, 900, numbers=6_000_000)[0] == "medium"
    assert chosen(1e13, 900, numbers=10)[0] == "tiny"


def test_hopeless_networks_are_not_measured() -> None:
    assert chosen(1e8, 60)[1] == ["tiny"]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_of_their_size(name: str) -> None:
    tarflow = tarflow_config(name, side=32, channels=3, classes=2, noise_std=0.1)
    assert (tarflow.trained_side, tarflow.token_dim) == (8, 48)
    starflow = starflow_config(name, side=16, channels=16, txt_size=4, txt_dim=8, noise_std=0.2)
    assert (starflow.trained_side, len(starflow.layers_per_block)) == (8, NETWORKS[name].blocks)
    assert wanted(NETWORKS[name].parameters("tarflow")) >= 20_000


def test_best_rate_has_the_lowest_last_losses() -> None:
    def losses(rate: float) -> list[float]:
        return [5.0, 5.0, math.nan] if rate > 2e-3 else [9 - 1000 * rate, 3.0, abs(rate - 6e-4)]

    assert best_rate(losses) == 6e-4
    assert best_rate(lambda rate: [math.nan]) == DEFAULT
    assert search_steps(100) == 0
    assert search_steps(2_000) * len(RATES) == 100


class Clock:
    """A clock that only tells the time that others have spent."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Shop:
    """A workshop whose trainings do nothing but spend time: so many seconds to set up, and so many a step."""

    processes = Processes()
    pictures = SimpleNamespace(numbers=10**9)

    def __init__(self, clock: Clock, setting_up: float, step: float) -> None:
        self.clock, self.setting_up, self.seconds_a_step = clock, setting_up, step

    def trainer(self, plan: Plan, folder: Any) -> Any:
        self.clock.now += self.setting_up
        self.losses, self.batch = list[float](), plan.settings["batch_size"]
        return self

    def step(self) -> None:
        self.clock.now += self.seconds_a_step
        self.losses.append(1.0)


def timed(monkeypatch: pytest.MonkeyPatch, setting_up: float, step: float, **settings: Any) -> tuple[float, float]:
    """Seconds that a plan takes to be made, and those that its steps will take, of a training of two minutes."""
    clock = Clock()
    monkeypatch.setattr(planning, "time", clock)
    request = Request(minutes=2, network="tiny", **settings)
    plan = Plan(request, "nothing", (), "tiny", 32, {}, 0.0, "", 100, 10, 3)
    shop: Any = Shop(clock, setting_up, step)
    settings = planning.planned(plan, shop, lambda line: None).settings
    return clock.now, settings["pictures"] / settings["batch_size"] * step


def test_search_of_a_learning_rate_counts_within_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    given, all_steps = timed(monkeypatch, 4.0, 0.05, learning_rate=1e-3)
    searched, steps = timed(monkeypatch, 4.0, 0.05)
    assert given == pytest.approx(4.25)  # one set-up, and five steps
    assert searched > given + len(RATES) * 4.0
    assert all_steps == pytest.approx(planning.USED * (120 - given), abs=0.05)
    assert steps == pytest.approx(planning.USED * (120 - searched), abs=0.05)


def test_some_time_is_left_for_training_however_long_the_measuring_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, steps = timed(monkeypatch, 100.0, 0.01)
    assert taken > 120
    assert steps == pytest.approx(planning.USED * planning.LEAST * 120, abs=0.01)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "glow"}, "kind is 'glow'; it must be one of tarflow, starflow"),
        ({"minutes": -1}, "minutes is -1; it must be a number above 0"),
        ({"minutes": 1, "pictures": 5}, "Both minutes and pictures are given"),
        ({"pictures": 0}, "pictures is 0; it must be a whole number from 1"),
        ({"size": 20}, "size is 20; it must be a multiple of 8"),
        ({"size": 96, "kind": "starflow"}, "size is 96; it must be a multiple of 64"),
        ({"noise_std": math.nan}, "noise_std is nan"),
        ({"noise_std": 0.0, "kind": "starflow"}, "noise_std is 0, which is for a TarFlow"),
        ({"learning_rate": 2.0}, "learning_rate is 2.0"),
        ({"condition": "classes", "kind": "starflow"}, "A STARFlow takes captions and no classes"),
        ({"condition": "captions"}, "A TarFlow takes classes and no captions"),
        ({"network": "vast"}, "network is 'vast'"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Request(**settings)  # type: ignore[arg-type]
