from __future__ import annotations

import itertools

import pytest
import torch
from tiny import randn

from starflow_core.block import Affine
from starflow_core.guidance import guided


def affine(mean: float, scale: float) -> Affine:
    return Affine(torch.tensor(mean), torch.tensor(scale))


def random_affine(seed: int) -> Affine:
    return Affine(randn(2, 3, 4, seed=seed), randn(2, 3, 4, seed=seed + 1).exp())


def test_no_guidance_is_the_conditional_prediction() -> None:
    conditional = random_affine(0)
    result = guided(conditional, random_affine(2), 0.0)
    assert torch.equal(result.mean, conditional.mean)
    assert torch.equal(result.scale, conditional.scale)


def test_narrower_conditional_by_hand() -> None:
    # s = (1/2)² = 1/4; 1 + 3 - 3/4 = 13/4; mean = (4·1 - 3/4·5) / (13/4) = 1/13; scale = 1 / sqrt(13/4)
    result = guided(affine(1.0, 1.0), affine(5.0, 2.0), 3.0)
    torch.testing.assert_close(result.mean, torch.tensor(1 / 13))
    torch.testing.assert_close(result.scale, torch.tensor(3.25**-0.5))


def test_wider_conditional_by_hand() -> None:
    # s is bounded by 1: the mean is extrapolated by the guidance and the scale stays.
    result = guided(affine(1.0, 2.0), affine(5.0, 0.5), 3.0)
    torch.testing.assert_close(result.mean, torch.tensor(4 * 1.0 - 3 * 5.0))
    torch.testing.assert_close(result.scale, torch.tensor(2.0))


def test_guidance_works_on_every_element_alone() -> None:
    conditional, unconditional = random_affine(0), random_affine(2)
    result = guided(conditional, unconditional, 2.5)
    for index in itertools.product(range(2), range(3), range(4)):
        alone = guided(
            affine(conditional.mean[index].item(), conditional.scale[index].item()),
            affine(unconditional.mean[index].item(), unconditional.scale[index].item()),
            2.5,
        )
        torch.testing.assert_close(result.mean[index], alone.mean)
        torch.testing.assert_close(result.scale[index], alone.scale)


def test_scale_never_grows() -> None:
    conditional = random_affine(0)
    assert (guided(conditional, random_affine(2), 2.5).scale <= conditional.scale * (1 + 1e-6)).all()


@pytest.mark.parametrize("guidance", [0.5, 3.6, 100.0])
@pytest.mark.parametrize("unconditional", [1e-38, 1.0, 1e38])
@pytest.mark.parametrize("conditional", [1e-38, 1.0, 1e38])
def test_extreme_scales_stay_finite(conditional: float, unconditional: float, guidance: float) -> None:
    result = guided(affine(1.0, conditional), affine(-1.0, unconditional), guidance)
    assert result.mean.isfinite()
    assert result.scale.isfinite()
    assert 0 < result.scale <= conditional * (1 + 1e-6)


@pytest.mark.parametrize("guidance", [3.6, 1e3, 1e6, 1e8])
def test_equal_predictions_are_left_alone_at_any_strength(guidance: float) -> None:
    result = guided(affine(1.5, 0.7), affine(1.5, 0.7), guidance)
    torch.testing.assert_close(result.mean, torch.tensor(1.5))
    torch.testing.assert_close(result.scale, torch.tensor(0.7))
