"""Oddness: the χ² law of the flow's noise as the reference, the same for all pictures."""

from __future__ import annotations

import math

import pytest
import torch
from PIL import ImageDraw

from starflow_core.insight.oddness import oddness
from starflow_core.weights.model_folder import load


def test_scale_is_the_tail_of_the_chi_squared_law() -> None:
    """Of two degrees of freedom, P(χ² ≥ q) is exp(−q/2): q = 2·ln 10·n where it is 10⁻ⁿ."""
    q = 2 * math.log(10) * torch.tensor([0.0, 2.9, 3.0, 7.5, 12.0, 200.0])
    torch.testing.assert_close(oddness(q, 2), torch.tensor([0, 0, 0, 0.5, 1, 1]), rtol=0, atol=1e-5)


def test_more_dimensions_have_larger_norms_without_being_odd() -> None:
    assert float(oddness(torch.tensor(80.0), 16)) > 0.5
    assert float(oddness(torch.tensor(80.0), 48)) == 0


def test_hardly_any_of_a_normal_distributions_tokens_are_odd() -> None:
    z = torch.randn(100_000, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = oddness(z.square().sum(1), 16)
    assert 50 <= int((found > 0).sum()) <= 150  # 1 in 1,000
    assert float(found.mean()) < 1e-3


@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_what_is_no_squared_norm_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="squared norms"):
        oddness(torch.tensor([1.0, value]), 16)


def test_noise_map_is_that_of_the_flows_noise() -> None:
    pipeline = load("starflow-mini", device="cpu")
    picture = pipeline.generate("red heart", seed=7)[0]
    found = pipeline.score(picture, "red heart", draws=2, seed=3)
    from starflow_core.insight.likelihood import with_training_noise

    noised = with_training_noise(pipeline.flow, pipeline.encode(picture)[0], 3, 2)
    with torch.no_grad():
        z = pipeline.flow(noised, pipeline.condition(["red heart"]).expand(2, -1, -1)).z
    torch.testing.assert_close(found.noise_map, z.square().sum(1).mean(0), rtol=1e-4, atol=1e-3)


def test_picture_of_the_models_own_is_not_odd_and_what_is_put_into_it_is() -> None:
    pipeline = load("starflow-mini", device="cpu")
    picture = pipeline.generate("red heart", seed=7)[0]
    clean = oddness(pipeline.score(picture, "", draws=4).noise_map, 16)
    assert float(clean.mean()) < 0.01
    ImageDraw.Draw(picture).rectangle((8, 40, 24, 50), fill=(20, 60, 200))
    found = oddness(pipeline.score(picture, "", draws=4).noise_map, 16)
    assert float(found[5, 1:3].min()) > 0.9  # the patch's tokens
    assert float(found[:4].max()) < 0.1  # far from it
