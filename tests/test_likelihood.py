from __future__ import annotations

import math

import pytest
import torch
from golden import STARFLOWS, load_golden, relative_error
from tiny import TINY, randn, random_flow
from torch import Tensor

from starflow_core.flow import StarFlow
from starflow_core.likelihood import bits_per_dim, denoise, score_latents
from starflow_core.noise import seeded_noise

LATENTS = randn(2, 4, 4, seed=1)
TEXT = randn(3, 5, seed=2)


@pytest.fixture(scope="module")
def flow() -> StarFlow:
    return random_flow(TINY)


def by_hand(flow: StarFlow, seed: int, draws: int) -> Tensor:
    """The maps (K, H, W) of the noised latents."""
    noised = LATENTS + TINY.noise_std * seeded_noise(LATENTS.shape, seed, draws)
    return flow(noised, TEXT.expand(draws, -1, -1)).log_prob_map


@pytest.mark.parametrize("draws", [1, 2, 5])
def test_score_is_the_mean_over_seeded_draws(flow: StarFlow, draws: int) -> None:
    result, maps = score_latents(flow, LATENTS, TEXT, draws=draws, seed=7), by_hand(flow, 7, draws)
    torch.testing.assert_close(result.map, maps.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(result.draws, maps.sum((1, 2)), rtol=1e-4, atol=1e-4)
    assert result.log_prob == pytest.approx(float(maps.sum((1, 2)).mean()), rel=1e-4)
    assert result.draws.shape == (draws,)


def test_map_sums_to_the_log_probability(flow: StarFlow) -> None:
    result = score_latents(flow, LATENTS, TEXT, draws=3)
    assert result.map.shape == (4, 4)
    assert float(result.map.sum()) == pytest.approx(result.log_prob, rel=1e-6)
    assert float(result.draws.mean()) == pytest.approx(result.log_prob, rel=1e-5)


def test_bits_per_dimension_of_a_score(flow: StarFlow) -> None:
    result = score_latents(flow, LATENTS, TEXT)
    assert result.bits_per_dim == pytest.approx(-result.log_prob / math.log(2) / LATENTS.numel())


def test_bits_per_dimension_of_a_normal_distribution() -> None:
    dimensions = 10
    entropy = dimensions * 0.5 * math.log(2 * math.pi * math.e)
    assert bits_per_dim(-entropy, dimensions) == pytest.approx(0.5 * math.log2(2 * math.pi * math.e))


def test_standard_error_is_that_of_the_mean(flow: StarFlow) -> None:
    result = score_latents(flow, LATENTS, TEXT, draws=6)
    assert result.standard_error == pytest.approx(float(result.draws.std(unbiased=True)) / math.sqrt(6))
    assert result.standard_error > 0


def test_single_draw_has_no_standard_error(flow: StarFlow) -> None:
    assert math.isnan(score_latents(flow, LATENTS, TEXT, draws=1).standard_error)


def test_seed_fixes_the_score(flow: StarFlow) -> None:
    first, again, other = (score_latents(flow, LATENTS, TEXT, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.map, again.map)
    assert not torch.equal(first.map, other.map)


def test_draw_of_a_seed_is_the_next_draw_of_the_seed_before(flow: StarFlow) -> None:
    first, second = score_latents(flow, LATENTS, TEXT, seed=3), score_latents(flow, LATENTS, TEXT, seed=4)
    assert torch.equal(first.draws[1:], second.draws[:-1])


def test_text_changes_the_score(flow: StarFlow) -> None:
    conditional, unconditional = (score_latents(flow, LATENTS, text) for text in (TEXT, torch.zeros_like(TEXT)))
    assert conditional.log_prob != unconditional.log_prob


def test_score_keeps_no_graph(flow: StarFlow) -> None:
    result = score_latents(flow, LATENTS.clone().requires_grad_(), TEXT)
    assert not result.map.requires_grad
    assert not result.draws.requires_grad


@pytest.mark.parametrize("name", STARFLOWS)
def test_denoise_matches_golden(name: str) -> None:
    golden = load_golden(name)
    flow = golden.flow().requires_grad_(False)
    x = denoise(flow, golden.x, golden.text, noise_std=0.3)
    assert relative_error(x, golden.expected["denoise.sigma0.3"]) < 1e-4
    assert not x.requires_grad


def test_denoise_takes_the_models_noise_by_default(flow: StarFlow) -> None:
    x, text = LATENTS[None], TEXT[None]
    assert torch.equal(denoise(flow, x, text), denoise(flow, x, text, noise_std=TINY.noise_std))
    assert torch.equal(denoise(flow, x, text, noise_std=0.0), x)


def test_denoise_works_under_no_grad_and_leaves_its_input_alone(flow: StarFlow) -> None:
    x = LATENTS[None].clone()
    with torch.no_grad():
        result = denoise(flow, x, TEXT[None])
    assert torch.equal(x, LATENTS[None])
    assert not torch.equal(result, x)
    assert not x.requires_grad
    assert all(parameter.grad is None for parameter in flow.parameters())


def test_images_of_a_batch_are_denoised_each_for_itself(flow: StarFlow) -> None:
    x, text = randn(3, 2, 4, 4), randn(3, 3, 5, seed=4)
    together = denoise(flow, x, text)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], denoise(flow, x[i : i + 1], text[i : i + 1]))
