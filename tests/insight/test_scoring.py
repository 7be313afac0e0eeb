from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from tiny import TINIES, TINY, TINY_TARFLOW, random_condition, random_data, random_flow

import starflow_core.insight.scoring
from starflow_core.flow.noise import seeded_noise
from starflow_core.insight.likelihood import score
from starflow_core.insight.match import match
from starflow_core.insight.scoring import log_probs

CONFIGS: dict[str, Any] = {**TINIES, "dequantised tarflow": dataclasses.replace(TINY_TARFLOW, noise_std=0)}
SEEDS = [3, 4, 11]


@pytest.mark.parametrize("at_once", [1, 70, 4096])
@pytest.mark.parametrize("kind", CONFIGS)
def test_each_is_what_is_scored_alone(kind: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few are computed at once."""
    monkeypatch.setattr(starflow_core.insight.scoring, "TOKENS_AT_ONCE", at_once)
    config = CONFIGS[kind]
    flow, x, conditions = random_flow(config), random_data(config, 3).clamp(-1, 1), random_condition(config, 4)
    done = []
    found = log_probs(flow, x, conditions, SEEDS, on_progress=lambda *step: done.append(step))
    assert found.draws.shape == (3, 4, 3)
    for n in range(3):
        for p in range(4):
            alone = [score(flow, x[n], conditions[p : p + 1], draws=1, seed=seed) for seed in SEEDS]
            expected = torch.tensor([one.log_prob for one in alone])
            torch.testing.assert_close(found.draws[n, p], expected, rtol=1e-4, atol=1e-3)
            mean = torch.stack([one.map for one in alone]).mean(0)
            torch.testing.assert_close(found.maps[n, p], mean, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found.log_prob, found.maps.sum((2, 3)), rtol=1e-4, atol=1e-3)
    assert done[-1] == (36, 36)
    assert done == sorted(set(done))


def test_without_conditions_there_is_one_column() -> None:
    config = dataclasses.replace(TINY, txt_size=0, txt_dim=0)
    flow, x = random_flow(config), random_data(config, 2)
    found = log_probs(flow, x, None, [0])
    assert found.draws.shape == (2, 1, 1)
    assert float(found.draws[1, 0, 0]) == pytest.approx(score(flow, x[1], None, draws=1).log_prob, rel=1e-4)


def test_data_with_noise_get_no_more() -> None:
    flow, x, conditions = random_flow(TINY), random_data(TINY, 2), random_condition(TINY, 1)
    noised = x + TINY.noise_std * seeded_noise(x.shape[1:], 5, 1)
    has_it = log_probs(flow, noised, conditions, None)
    torch.testing.assert_close(has_it.draws, log_probs(flow, x, conditions, [5]).draws, rtol=1e-4, atol=1e-3)


def test_blocks_that_see_no_condition_are_computed_once() -> None:
    flow, x = random_flow(TINY), random_data(TINY, 2)
    seen: list[int] = []
    for block in flow.blocks:
        block.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    log_probs(flow, x, random_condition(TINY, 5), [0])
    assert sorted(seen) == [2, 2, 10]


def test_no_seed_and_overflow_are_told() -> None:
    flow, x, condition = random_flow(TINY), random_data(TINY, 1), random_condition(TINY, 1)
    with pytest.raises(ValueError, match="seeds is empty"):
        log_probs(flow, x, condition, [])
    with pytest.raises(ValueError, match="overflows"):
        log_probs(flow, 1e30 * x, condition, [0])


def test_match_is_the_difference_to_the_empty_prompt() -> None:
    flow, x, conditions = random_flow(TINY), random_data(TINY, 2), random_condition(TINY, 3)
    for n, found in enumerate(match(flow, x, ["a", "b"], conditions, draws=2, seed=7)):
        scores = [score(flow, x[n], conditions[p : p + 1], draws=2, seed=7) for p in range(3)]
        gains = torch.stack([one.draws - scores[0].draws for one in scores[1:]])
        torch.testing.assert_close(found.scores, gains.mean(1), rtol=1e-3, atol=1e-2)
        torch.testing.assert_close(found.standard_errors, gains.std(1) / math.sqrt(2), rtol=1e-2, atol=1e-2)
        torch.testing.assert_close(found.maps.sum((1, 2)), found.scores, rtol=1e-3, atol=1e-2)
        likelihoods = torch.tensor([one.log_prob for one in scores[1:]], dtype=torch.float64)
        bayes = (likelihoods - likelihoods.max()).exp()
        torch.testing.assert_close(found.posterior, (bayes / bayes.sum()).float(), rtol=0.05, atol=1e-3)
        assert found.best == "ab"[int(found.scores.argmax())]


def test_a_single_draw_has_no_standard_error() -> None:
    (found,) = match(random_flow(TINY), random_data(TINY, 1), ["a"], random_condition(TINY, 2), draws=1)
    assert found.standard_errors.isnan().all()
    assert found.posterior.tolist() == [1.0]
