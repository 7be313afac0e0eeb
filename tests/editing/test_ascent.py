from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from tiny import HERE, TINY, random_condition, random_data, random_flow

from starflow_core.editing.ascent import climb
from starflow_core.flow.noise import seeded_noise
from starflow_core.insight.likelihood import denoise, gradient
from starflow_core.pipeline import Pipeline


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.effect_noise((64, 64), 60).convert("RGB")


def test_ascent_is_likelier_the_more_steps_and_strength(pipeline: Pipeline, picture: Image.Image) -> None:
    weak, strong = (pipeline.ascend(picture, steps=2, strength=strength) for strength in (0.2, 0.8))
    assert weak.before == strong.before < weak.after < strong.after
    assert 0 < weak.moved < strong.moved
    assert weak.image.size == (64, 64)


def test_no_strength_leaves_the_picture(pipeline: Pipeline, picture: Image.Image) -> None:
    found = pipeline.ascend(picture, strength=0.0, steps=1)
    assert (found.after, found.moved) == (found.before, 0)
    assert torch.equal(found.x, pipeline.encode(picture)[0])


def test_match_with_the_prompt_climbs_too(pipeline: Pipeline) -> None:
    found = pipeline.ascend(pipeline.generate("owl", seed=1)[0], "red heart", of="match", steps=2)
    assert found.after > found.before


def test_one_step_is_the_mean_of_tweedies_formula_over_noise_and_its_opposite() -> None:
    flow = random_flow(TINY, **HERE)
    x, condition = random_data(TINY, 1), random_condition(TINY, 1)
    climbed = climb(flow, x, condition, None, steps=1, strength=1.0, seed=3)
    assert condition is not None
    noise = flow.config.noise_std * seeded_noise(x.shape[1:], 3, 2)
    noised = torch.cat([x + noise, x - noise])
    denoised = denoise(flow, noised, condition.expand(4, *condition.shape[1:]))
    torch.testing.assert_close(climbed, denoised.mean(0, keepdim=True))


def test_likely_picture_is_made_likelier_still(pipeline: Pipeline) -> None:
    """Not less likely, by noise in the gradient."""
    found = pipeline.ascend(pipeline.generate("red heart", seed=1)[0], steps=1)
    assert found.after > found.before
    assert found.moved < 0.1


def test_gradient_is_that_of_differences() -> None:
    flow = random_flow(TINY, **HERE)
    x, condition = random_data(TINY, 1), random_condition(TINY, 1)
    with torch.inference_mode():
        up = gradient(flow, x, condition)
    step = 1e-2 * up / up.norm()
    slope = (flow(x + step, condition).log_prob - flow(x - step, condition).log_prob) / (2 * step.norm())
    assert float(slope) == pytest.approx(float(up.norm()), rel=0.02)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number from 1 to 100"),
        ({"steps": 1.5}, "steps is 1.5"),
        ({"strength": float("nan")}, "strength is nan; it must be a number from 0 to 4"),
        ({"strength": -1}, "strength is -1"),
        ({"of": "beauty"}, "of is 'beauty'; it must be one of likelihood, match"),
        ({"of": "match"}, "A match needs a prompt"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_settings_are_told(pipeline: Pipeline, picture: Image.Image, settings: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        pipeline.ascend(picture, **settings)
