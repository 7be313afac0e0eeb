from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny import randn

from starflow_core.flow.block import Affine
from starflow_core.flow.guidance import Guidance, StarFlowGuidance, TarFlowGuidance

PLACE = torch.linspace(0, 1, 3)[:, None]


def affine(mean: float, scale: float) -> Affine:
    return Affine(torch.tensor(mean), torch.tensor(scale))


def starflow(conditional: Affine, unconditional: Affine, strength: float) -> Affine:
    return StarFlowGuidance(strength)(conditional, unconditional, PLACE[-1, 0])


# Every way of guiding.
KINDS: dict[str, Callable[[float], Guidance]] = {
    "starflow": StarFlowGuidance,
    "a": functools.partial(TarFlowGuidance, guided="a"),
    "b": functools.partial(TarFlowGuidance, guided="b"),
    "ab": TarFlowGuidance,
    "annealed": functools.partial(TarFlowGuidance, annealed=True),
}


def random_affine(seed: int) -> Affine:
    return Affine(randn(2, 3, 4, seed=seed), randn(2, 3, 4, seed=seed + 1).exp())


@pytest.mark.parametrize("kind", KINDS)
def test_no_guidance_is_the_conditional_prediction(kind: str) -> None:
    conditional = random_affine(0)
    result = KINDS[kind](0.0)(conditional, random_affine(2), PLACE)
    assert torch.equal(result.mean, conditional.mean)
    assert torch.equal(result.scale, conditional.scale)


def test_narrower_conditional_of_a_starflow_by_hand() -> None:
    # s = (1/2)² = 1/4; 1 + 3 - 3/4 = 13/4; mean = (4·1 - 3/4·5) / (13/4) = 1/13; scale = 1 / sqrt(13/4)
    result = starflow(affine(1.0, 1.0), affine(5.0, 2.0), 3.0)
    torch.testing.assert_close(result.mean, torch.tensor(1 / 13))
    torch.testing.assert_close(result.scale, torch.tensor(3.25**-0.5))


def test_wider_conditional_of_a_starflow_by_hand() -> None:
    # s is bounded by 1: the mean is extrapolated by the guidance and the scale stays.
    result = starflow(affine(1.0, 2.0), affine(5.0, 0.5), 3.0)
    torch.testing.assert_close(result.mean, torch.tensor(4 * 1.0 - 3 * 5.0))
    torch.testing.assert_close(result.scale, torch.tensor(2.0))


@pytest.mark.parametrize("kind", KINDS)
def test_guidance_works_on_every_element_alone(kind: str) -> None:
    guide, conditional, unconditional = KINDS[kind](2.5), random_affine(0), random_affine(2)
    result = guide(conditional, unconditional, PLACE)
    for index in itertools.product(range(2), range(3), range(4)):
        alone = guide(
            affine(conditional.mean[index].item(), conditional.scale[index].item()),
            affine(unconditional.mean[index].item(), unconditional.scale[index].item()),
            PLACE[index[1]],
        )
        torch.testing.assert_close(result.mean[index], alone.mean.squeeze())
        torch.testing.assert_close(result.scale[index], alone.scale.squeeze())


def test_scale_of_a_starflow_never_grows() -> None:
    conditional = random_affine(0)
    assert (starflow(conditional, random_affine(2), 2.5).scale <= conditional.scale * (1 + 1e-6)).all()


@pytest.mark.parametrize("guidance", [0.5, 3.6, 100.0])
@pytest.mark.parametrize("unconditional", [1e-38, 1.0, 1e38])
@pytest.mark.parametrize("conditional", [1e-38, 1.0, 1e38])
def test_extreme_scales_of_a_starflow_stay_finite(conditional: float, unconditional: float, guidance: float) -> None:
    result = starflow(affine(1.0, conditional), affine(-1.0, unconditional), guidance)
    assert result.mean.isfinite()
    assert result.scale.isfinite()
    assert 0 < result.scale <= conditional * (1 + 1e-6)


@pytest.mark.parametrize("guidance", [3.6, 1e3, 1e6, 1e8])
@pytest.mark.parametrize("kind", KINDS)
def test_equal_predictions_are_left_alone_at_any_strength(kind: str, guidance: float) -> None:
    result = KINDS[kind](guidance)(affine(1.5, 0.7), affine(1.5, 0.7), PLACE[-1])
    torch.testing.assert_close(result.mean.squeeze(), torch.tensor(1.5))
    torch.testing.assert_close(result.scale.squeeze(), torch.tensor(0.7))


@pytest.mark.parametrize("what", ["a", "b", "ab"])
def test_tarflow_extrapolates_by_hand(what: Any) -> None:
    # log-scale: ln 2 + 1.5·(ln 2 − ln 4) = −0.5·ln 2; mean: 3 + 1.5·(3 − 1) = 6
    result = TarFlowGuidance(1.5, what)(affine(3.0, 2.0), affine(1.0, 4.0), PLACE[-1, 0])
    torch.testing.assert_close(result.scale, torch.tensor(2**-0.5 if "a" in what else 2.0))
    torch.testing.assert_close(result.mean, torch.tensor(6.0 if "b" in what else 3.0))


def test_annealed_strength_grows_with_the_place() -> None:
    conditional, unconditional = Affine(torch.ones(2, 3, 4), 2 * torch.ones(2, 3, 4)), random_affine(2)
    result = TarFlowGuidance(4.0, annealed=True)(conditional, unconditional, PLACE)
    for token, strength in enumerate([0.0, 2.0, 4.0]):
        expected = TarFlowGuidance(strength)(conditional, unconditional, PLACE)
        torch.testing.assert_close(result.mean[:, token], expected.mean[:, token])
        torch.testing.assert_close(result.scale[:, token], expected.scale[:, token])


def test_place_matters_to_annealed_guidance_only() -> None:
    conditional, unconditional = random_affine(0), random_affine(2)
    for kind, make in KINDS.items():
        results = [make(2.0)(conditional, unconditional, place).mean for place in (PLACE, PLACE.flip(0))]
        assert torch.equal(*results) == (kind != "annealed")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strength", [-1.0, math.nan, math.inf])
def test_strength_out_of_range_is_refused(kind: str, strength: float) -> None:
    with pytest.raises(ValueError, match=rf"guidance is {strength}; it must be 0 \(off\) or a positive number"):
        KINDS[kind](strength)


@pytest.mark.parametrize("what", ["", "ba", "c", "A", None, 3])
def test_what_cannot_be_guided_is_refused(what: Any) -> None:
    with pytest.raises(ValueError, match=r"cannot be guided; choose one of a, b, ab"):
        TarFlowGuidance(1.0, what)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_attention_temperature_out_of_range_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match=rf"attention_temperature is {temperature}; it must be a positive number"):
        TarFlowGuidance(1.0, attention_temperature=temperature)
