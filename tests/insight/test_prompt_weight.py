"""The weight of scores in a posterior over prompts."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY_TARFLOW, random_flow

from starflow_core.codecs.classes import Classes
from starflow_core.insight.prompt_weight import fitted_weight, measure_prompt_weight
from starflow_core.insight.reference import LEAST_PICTURES, Reference
from starflow_core.pipeline import Pipeline

NAMES = ("cat", "dog", "wild")


def pipeline(reference: Reference | None = None) -> Pipeline:
    flow = random_flow(dataclasses.replace(TINY_TARFLOW, noise_std=0.1))
    return Pipeline(flow, None, None, name="tiny", classes=Classes(NAMES), reference=reference)


def pictures(number: int) -> list[Any]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(number)]


def right_first(weight: float, scale: float = 10.0, number: int = 4_000) -> torch.Tensor:
    """Scores of prompts, of which the right one is drawn from softmax(weight·scores) and put first."""
    generator = torch.Generator().manual_seed(0)
    scores = scale * torch.randn(number, 10, generator=generator)
    right = (weight * scores).softmax(1).multinomial(1, generator=generator)[:, 0]
    order = (torch.arange(10) + right[:, None]) % 10
    return scores.gather(1, order)


@pytest.mark.parametrize("weight", [0.05, 0.2, 1.0])
def test_weight_that_the_right_prompts_were_drawn_with_is_found(weight: float) -> None:
    assert fitted_weight(right_first(weight, scale=3.0)) == pytest.approx(weight, rel=0.15)


def test_weight_stays_within_its_range() -> None:
    certain = torch.tensor([[100.0, 0.0, 0.0]])
    assert fitted_weight(certain) == 1
    assert fitted_weight(-certain) == 0.01


def test_weight_tempers_the_posterior_and_leaves_the_scores() -> None:
    plain = pipeline()
    image = pictures(1)[0]
    reference = Reference.of(plain.flow, list(range(30)), pictures="noise", size=(8, 8), draws=1, seed=0)
    weighed = pipeline(dataclasses.replace(reference, prompt_weight=0.25))
    before, after = (one.match(image, NAMES, draws=2) for one in (plain, weighed))
    torch.testing.assert_close(before.scores, after.scores)
    torch.testing.assert_close(after.posterior, (0.25 * before.scores).softmax(0))
    torch.testing.assert_close(before.posterior, before.scores.softmax(0))


def test_weight_is_measured_on_each_picture_with_a_prompt() -> None:
    number = LEAST_PICTURES + 3
    images, prompts = pictures(number), [NAMES[place % 3] for place in range(number)]
    images[0], prompts[1] = "no picture", ""
    told: list[str] = []
    seen: list[tuple[int, int]] = []
    weight = measure_prompt_weight(
        pipeline(), images, prompts, draws=1, failed=told.append, on_progress=lambda *done: seen.append(done)
    )
    assert weight is not None
    assert 0.01 <= weight <= 1
    assert len(told) == 1
    assert "no picture" in told[0]
    assert seen[-1] == (number - 1, number - 1)


def test_too_few_pictures_or_prompts_have_no_weight() -> None:
    few, many = LEAST_PICTURES - 1, LEAST_PICTURES + 1
    assert measure_prompt_weight(pipeline(), pictures(few), [NAMES[i % 3] for i in range(few)], draws=1) is None
    assert measure_prompt_weight(pipeline(), pictures(many), ["cat"] * many, draws=1) is None
