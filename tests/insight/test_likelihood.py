from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from golden import GOLDEN, TARFLOWS, load_golden, relative_error
from tiny import TINIES, TINY_TARFLOW, random_condition, random_data, random_flow
from torch import Tensor

import starflow_core.insight.likelihood
from starflow_core.codecs.dequantization import dequantized
from starflow_core.flow.flow import Flow
from starflow_core.flow.noise import seeded_noise, seeded_uniform
from starflow_core.insight.likelihood import Likelihood, bits_per_dim, denoise, score, with_training_noise

CONFIGS = {**TINIES, "dequantised tarflow": dataclasses.replace(TINY_TARFLOW, noise_std=0)}


@dataclasses.dataclass(frozen=True)
class Case:
    """A flow, with data (C, H, W) and a condition (1, …) that fit it."""

    flow: Flow
    x: Tensor
    condition: Tensor

    def score(self, draws: int = 4, seed: int = 0) -> Likelihood:
        return score(self.flow, self.x, self.condition, draws=draws, seed=seed)

    def noised(self, seed: int, draws: int) -> Tensor:
        """Draws of the data with the noise of training, by hand."""
        if sigma := self.flow.config.noise_std:
            return self.x + sigma * seeded_noise(self.x.shape, seed, draws)
        levels = ((self.x + 1) * 127.5).round().clamp(0, 255)
        return (levels + seeded_uniform(self.x.shape, seed, draws)) / 128 - 1

    def maps(self, seed: int, draws: int) -> Tensor:
        """The maps (K, H', W') of the noised data."""
        return self.flow(self.noised(seed, draws), torch.cat([self.condition] * draws)).log_prob_map


@pytest.fixture(scope="module", params=CONFIGS)
def case(request: pytest.FixtureRequest) -> Case:
    config = CONFIGS[request.param]
    return Case(random_flow(config), random_data(config, 1)[0].clamp(-1, 1), random_condition(config, 1, seed=3))


@pytest.mark.parametrize("draws", [1, 2, 5])
def test_score_is_the_mean_over_seeded_draws(case: Case, draws: int) -> None:
    result, maps = case.score(draws, seed=7), case.maps(7, draws)
    torch.testing.assert_close(result.map, maps.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(result.draws, maps.sum((1, 2)), rtol=1e-4, atol=1e-4)
    assert result.log_prob == pytest.approx(float(maps.sum((1, 2)).mean()), rel=1e-4)
    assert result.draws.shape == (draws,)


def test_draws_that_make_more_than_one_batch_are_all_counted(case: Case) -> None:
    result, maps = case.score(draws=11, seed=2), case.maps(2, 11)
    torch.testing.assert_close(result.draws, maps.sum((1, 2)), rtol=1e-4, atol=1e-4)


def test_noise_is_that_of_training(case: Case) -> None:
    torch.testing.assert_close(with_training_noise(case.flow, case.x, 5, 3), case.noised(5, 3))


def test_dequantised_draws_stay_within_the_steps_of_the_picture() -> None:
    flow, levels = random_flow(CONFIGS["dequantised tarflow"]), torch.arange(192.0).view(3, 8, 8)
    draws = with_training_noise(flow, levels / 127.5 - 1, 0, 4)
    assert torch.equal(((draws + 1) * 128).floor(), levels.expand(4, -1, -1, -1))
    assert len(torch.unique(draws, dim=0)) == 4


def test_map_sums_to_the_log_probability(case: Case) -> None:
    result = case.score(draws=3)
    assert result.map.shape == (4, 4)
    assert float(result.map.sum()) == pytest.approx(result.log_prob, rel=1e-6)
    assert float(result.draws.mean()) == pytest.approx(result.log_prob, rel=1e-5)


def test_bits_per_dimension_of_a_score(case: Case) -> None:
    result, dimensions = case.score(), case.x.numel()
    steps = 1 if case.flow.data == "latents" else 128  # 8-bit steps in a unit of pictures in [−1, 1]
    expected = -(result.log_prob - dimensions * math.log(steps)) / (dimensions * math.log(2))
    assert result.bits_per_dim == pytest.approx(expected)


def test_bits_per_dimension_of_a_normal_distribution() -> None:
    dimensions = 10
    entropy = dimensions * 0.5 * math.log(2 * math.pi * math.e)
    assert bits_per_dim(-entropy, dimensions) == pytest.approx(0.5 * math.log2(2 * math.pi * math.e))


@pytest.mark.parametrize("log_prob", [-5000.0, 0.0, 300.0])
def test_bits_per_dimension_of_8_bit_pictures(log_prob: float) -> None:
    dimensions = 192
    expected = -(log_prob - dimensions * math.log(128)) / (dimensions * math.log(2))
    assert bits_per_dim(log_prob, dimensions, levels=128) == pytest.approx(expected)


def test_uniform_8_bit_pictures_take_8_bits_per_dimension() -> None:
    assert bits_per_dim(-192 * math.log(2), 192, levels=128) == pytest.approx(8)  # the density on [−1, 1] is 1/2


@pytest.mark.parametrize("name", TARFLOWS)
def test_bits_per_dimension_match_golden(name: str) -> None:
    golden = load_golden(name)
    flow, levels = golden.flow(), golden.expected["bpd.x_int"]
    x = dequantized(levels / 127.5 - 1, golden.expected["bpd.u"])
    log_prob = flow(x, golden.condition).log_prob
    result = torch.tensor([bits_per_dim(float(one), x[0].numel(), flow.levels) for one in log_prob])
    assert relative_error(result, golden.expected["bpd.value"]) < 1e-4


def test_standard_error_is_that_of_the_mean(case: Case) -> None:
    result = case.score(draws=6)
    assert result.standard_error == pytest.approx(float(result.draws.std(unbiased=True)) / math.sqrt(6))
    assert result.standard_error > 0


def test_single_draw_has_no_standard_error(case: Case) -> None:
    assert math.isnan(case.score(draws=1).standard_error)


def test_seed_fixes_the_score(case: Case) -> None:
    first, again, other = (case.score(seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.map, again.map)
    assert not torch.equal(first.map, other.map)


def test_draw_of_a_seed_is_the_next_draw_of_the_seed_before(case: Case) -> None:
    first, second = case.score(seed=3), case.score(seed=4)
    assert torch.equal(first.draws[1:], second.draws[:-1])


def test_condition_changes_the_score(case: Case) -> None:
    other = case.condition + 1 if case.condition.is_floating_point() else (case.condition + 1) % 3
    assert case.score().log_prob != dataclasses.replace(case, condition=other).score().log_prob


def test_labels_may_be_left_out() -> None:
    flow, x = random_flow(TINY_TARFLOW), random_data(TINY_TARFLOW, 1)[0]
    assert torch.equal(score(flow, x, None).map, score(flow, x, torch.tensor([-1])).map)


def test_score_keeps_no_graph(case: Case) -> None:
    result = dataclasses.replace(case, x=case.x.clone().requires_grad_()).score()
    assert not result.map.requires_grad
    assert not result.draws.requires_grad


@pytest.mark.parametrize("name", GOLDEN)
def test_denoise_matches_golden(name: str) -> None:
    golden = load_golden(name)
    flow = golden.flow().requires_grad_(False)
    ((output, expected),) = golden.outputs("denoise.sigma").items()
    x = denoise(flow, golden.x, golden.condition, noise_std=float(output.removeprefix("denoise.sigma")))
    assert relative_error(x, expected) < 1e-4
    assert not x.requires_grad


def test_denoise_takes_the_models_noise_by_default(case: Case) -> None:
    x, sigma = case.x[None], case.flow.config.noise_std
    assert torch.equal(denoise(case.flow, x, case.condition), denoise(case.flow, x, case.condition, noise_std=sigma))
    assert torch.equal(denoise(case.flow, x, case.condition, noise_std=0.0), x)


def test_denoise_works_under_no_grad_and_leaves_its_input_alone(case: Case) -> None:
    x = case.x[None].clone()
    with torch.no_grad():
        result = denoise(case.flow, x, case.condition, noise_std=0.1)
    assert torch.equal(x, case.x[None])
    assert not torch.equal(result, x)
    assert not x.requires_grad
    assert all(parameter.grad is None for parameter in case.flow.parameters())


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_denoise_is_the_same_in_every_mode_of_the_caller(case: Case, mode: Any) -> None:
    expected = denoise(case.flow, case.x[None], case.condition, noise_std=0.1)
    with mode():
        x, condition = case.x[None].clone(), case.condition.clone()  # made in that mode
        result = denoise(case.flow, x, condition, noise_std=0.1)
        assert torch.equal(result, expected)
        assert torch.equal(denoise(case.flow, result, condition, noise_std=0.0), expected)
    assert not result.requires_grad
    assert torch.equal(denoise(case.flow, x, condition, noise_std=0.1), expected)


def test_flow_that_was_loaded_in_inference_mode_can_be_denoised_with(case: Case) -> None:
    expected = denoise(case.flow, case.x[None], case.condition, noise_std=0.1)
    with torch.inference_mode():
        weights = {name: tensor.clone() for name, tensor in case.flow.state_dict().items()}
        flow = type(case.flow).from_state_dict(case.flow.config, weights)
    assert torch.equal(denoise(flow, case.x[None], case.condition, noise_std=0.1), expected)


def test_many_images_are_denoised_a_few_at_a_time(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    config = case.flow.config
    x, condition = random_data(config, 5), random_condition(config, 5, seed=4)
    expected = denoise(case.flow, x, condition, noise_std=0.1)
    monkeypatch.setattr(starflow_core.insight.likelihood, "DENOISED_AT_ONCE", 2 * 16)  # tokens
    sizes: list[int] = []
    handle = case.flow.register_forward_hook(lambda flow, given, output: sizes.append(len(given[0])))
    torch.testing.assert_close(denoise(case.flow, x, condition, noise_std=0.1), expected)
    handle.remove()
    assert sizes == [2, 2, 1]


@pytest.mark.parametrize("count", [1, 3])
def test_denoising_refuses_conditions_of_another_batch(case: Case, count: int) -> None:
    x, condition = random_data(case.flow.config, 2), random_condition(case.flow.config, count)
    with pytest.raises(ValueError, match="2"):
        denoise(case.flow, x, condition)


def test_images_of_a_batch_are_denoised_each_for_itself(case: Case) -> None:
    config = case.flow.config
    x, condition = random_data(config, 3), random_condition(config, 3, seed=4)
    together = denoise(case.flow, x, condition, noise_std=0.1)
    for i in range(3):
        part = slice(i, i + 1)
        torch.testing.assert_close(together[part], denoise(case.flow, x[part], condition[part], noise_std=0.1))
