"""How sure a model is of a picture."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from PIL import Image
from tiny import TINIES, TINY, TINY_TARFLOW, random_condition, random_data, random_flow

from starflow_core.insight.confidence import bounds, confidence, doubt
from starflow_core.insight.likelihood import score, with_training_noise
from starflow_core.pipeline import Pipeline


@pytest.fixture(params=TINIES)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_map_is_what_the_likelihood_has_beside_the_noise(kind: str) -> None:
    """log p = log N(z) + log|det|; the map is the second part, by dimension."""
    config = TINIES[kind]
    flow, x, condition = random_flow(config), random_data(config, 1)[0], random_condition(config, 1)
    sure, likely = confidence(flow, x, condition, draws=3, seed=5), score(flow, x, condition, draws=3, seed=5)
    D = config.token_dim
    normal = -0.5 * (likely.noise_map + D * math.log(2 * math.pi))
    torch.testing.assert_close(sure.map * D, likely.map - normal, rtol=1e-3, atol=1e-3)
    assert sure.score == pytest.approx(float(sure.map.mean()))


def test_map_is_the_sum_of_the_blocks(kind: str) -> None:
    config = TINIES[kind]
    found = confidence(random_flow(config), random_data(config, 1)[0], random_condition(config, 1), draws=2)
    assert len(found.by_block) == config.num_blocks
    torch.testing.assert_close(found.by_block.sum(0), found.map)


def test_expected_error_is_the_predicted_scale() -> None:
    """Of a flow of one block: the geometric mean of the scales with which it predicts each token."""
    config = dataclasses.replace(TINY, num_blocks=1, layers_per_block=(2,), noise_std=0.2)
    flow, x = random_flow(config), random_data(config, 1)[0]
    condition = random_condition(config, 1)
    tokens = with_training_noise(flow, x, 0, 1).flatten(2).transpose(1, 2)
    block = flow.blocks[0]
    _, scale = block.affine(block.reorder(tokens), condition, flow.rotary(block, (4, 4), condition))
    expected = block.reorder(scale).log().mean(-1).exp().view(4, 4)
    torch.testing.assert_close(confidence(flow, x, condition, draws=1).expected_error, expected)


def test_surer_of_what_it_predicts_with_smaller_scales() -> None:
    config = TINY_TARFLOW
    flow, x = random_flow(config), random_data(config, 1)[0]
    before = confidence(flow, x, None).score
    for block in flow.blocks:
        half = block.proj_out.bias.shape[0] // 2
        block.proj_out.bias[:half] -= 0.5  # of log-scales
    assert confidence(flow, x, None).score == pytest.approx(
        before + 0.5 * config.num_blocks * (1 - 1 / config.trained_side**2), abs=0.35
    )
    assert confidence(flow, x, None).score > before


def test_prior_of_a_volume_preserving_flow_counts() -> None:
    config = dataclasses.replace(TINY_TARFLOW, nvp=False)
    flow, x = random_flow(config), random_data(config, 1)[0]
    expected = -flow.var.sqrt().log().mean(-1).view(4, 4)
    torch.testing.assert_close(confidence(flow, x, None).map, expected)


def test_draws_are_seeded_and_averaged(kind: str) -> None:
    config = TINIES[kind]
    flow, x, condition = random_flow(config), random_data(config, 1)[0], random_condition(config, 1)
    alone = [confidence(flow, x, condition, draws=1, seed=seed).map for seed in range(3, 13)]
    together = confidence(flow, x, condition, draws=10, seed=3).map  # more than are computed at once
    torch.testing.assert_close(together, torch.stack(alone).mean(0), rtol=1e-4, atol=1e-5)
    assert (alone[0] != alone[1]).any()


def test_progress_counts_draws_and_can_cancel() -> None:
    done: list[tuple[int, int]] = []
    flow, x = random_flow(TINY_TARFLOW), random_data(TINY_TARFLOW, 1)[0]
    confidence(flow, x, None, draws=10, on_progress=lambda *at: done.append(at))
    assert done == [(8, 10), (10, 10)]

    def cancel(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        confidence(flow, x, None, draws=10, on_progress=cancel)


def test_numbers_that_overflow_are_an_error() -> None:
    flow, x = random_flow(TINY_TARFLOW), random_data(TINY_TARFLOW, 1)[0]
    with pytest.raises(ValueError, match="too unlike"):
        confidence(flow, x * 1e30, None)


def test_doubt_is_none_where_all_is_known_and_whole_where_nothing_is() -> None:
    for noise, sure in ((0.2, -math.log(0.2)), (0.0, math.log(128 * math.sqrt(2 * math.pi * math.e)))):
        flow = random_flow(dataclasses.replace(TINY_TARFLOW, noise_std=noise))
        assert bounds(flow) == pytest.approx((0.0, sure))
        found = doubt(torch.tensor([-1.0, 0.0, sure / 2, sure, sure + 1]), flow)
        torch.testing.assert_close(found, torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0]))
    silent = random_flow(dataclasses.replace(TINY, noise_std=0.0))  # of latents, which have no steps
    assert math.isfinite(bounds(silent)[1])


def test_pipeline_measures_pictures_with_and_without_a_prompt(pipeline: Pipeline) -> None:
    picture = pipeline.generate("owl", seed=1)[0]
    found = pipeline.confidence(picture, "owl", draws=2, seed=5)
    x = pipeline.encode(picture)[0]
    expected = confidence(pipeline.flow, x, pipeline.condition(["owl"]), draws=2, seed=5)
    assert torch.equal(found.map, expected.map)
    assert found.score != pipeline.confidence(picture, draws=2, seed=5).score
    assert found.map.shape == (8, 8)
    with pytest.raises(ValueError, match="draws is 0"):
        pipeline.confidence(picture, draws=0)


def test_model_is_surer_of_what_it_has_learnt(pipeline: Pipeline) -> None:
    drawn = pipeline.generate("owl", seed=1)[0]
    unknown = Image.effect_noise((64, 64), 90).convert("RGB")
    assert pipeline.confidence(drawn).score > pipeline.confidence(unknown).score
