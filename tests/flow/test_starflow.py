from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import TINY, randn, random_flow
from torch import Tensor

from starflow_core.flow.starflow import StarFlow


@pytest.fixture(scope="module")
def flow() -> StarFlow:
    return random_flow(TINY)


def noise(batch: int = 2) -> Tensor:
    return randn(batch, TINY.in_channels, 4, 4, seed=1)


def text(batch: int = 2, length: int = 3, seed: int = 2) -> Tensor:
    return randn(batch, length, TINY.txt_dim, seed=seed)


def test_text_length_is_free(flow: StarFlow) -> None:
    longer = text(length=5)
    z = flow(noise(), longer).z
    torch.testing.assert_close(flow.inverse(z, longer), noise(), rtol=1e-4, atol=1e-4)


def test_text_of_any_floating_dtype_is_taken(flow: StarFlow) -> None:
    torch.testing.assert_close(flow(noise(), text().double()).log_prob, flow(noise(), text()).log_prob)


def test_size_is_free_with_rotary_positions(flow: StarFlow) -> None:
    assert not flow.has_fixed_size
    x = randn(2, TINY.in_channels, 3, 6)
    torch.testing.assert_close(flow.inverse(flow(x, text()).z, text()), x, rtol=1e-4, atol=1e-4)


def test_prior_is_standard_normal(flow: StarFlow) -> None:
    assert flow.prior_std == 1


def test_guidance_without_unconditional_text_is_refused(flow: StarFlow) -> None:
    with pytest.raises(ValueError, match="`unconditional`"):
        flow.inverse(noise(), text(), guidance=1.0)


@pytest.mark.parametrize("options", [{"guided": "a"}, {"annealed": True}, {"attention_temperature": 2.0}])
def test_options_that_its_guidance_does_not_have_are_refused(flow: StarFlow, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        flow.guide(1.0, **options)


@pytest.mark.parametrize("shape", [(3, 3, 5), (2, 3, 4), (2, 2, 3, 5)])
def test_unconditional_text_of_a_wrong_shape_is_refused(flow: StarFlow, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"unconditional has shape.*\(2, "):
        flow.inverse(noise(), text(), guidance=1.0, unconditional=torch.zeros(shape))


def test_unconditional_text_of_another_length_is_refused(flow: StarFlow) -> None:
    told = r"unconditional has shape \(2, 4, 5\), and the text \(2, 3, 5\).*pad the shorter one"
    with pytest.raises(ValueError, match=told):
        flow.inverse(noise(), text(), guidance=1.0, unconditional=text(length=4))


def test_missing_text_is_refused(flow: StarFlow) -> None:
    with pytest.raises(ValueError, match=r"needs text: features \(B, L, 5\)"):
        flow(noise())
    with pytest.raises(ValueError, match=r"needs text: features \(B, L, 5\)"):
        flow.inverse(noise())


@pytest.mark.parametrize("shape", [(1, 3, 5), (2, 3, 4), (2, 0, 5), (2, 5)])
def test_text_of_a_wrong_shape_is_refused(flow: StarFlow, shape: tuple[int, ...]) -> None:
    message = rf"text has shape \({', '.join(map(str, shape))}\); it must be \(2, L, 5\)"
    with pytest.raises(ValueError, match=message):
        flow(noise(), torch.zeros(shape))


def test_text_for_a_model_without_text_is_refused() -> None:
    flow = random_flow(dataclasses.replace(TINY, txt_size=0))
    with pytest.raises(ValueError, match="takes no text, but text was given"):
        flow(noise(), text())
    with pytest.raises(ValueError, match="takes no text, but unconditional was given"):
        flow.inverse(noise(), guidance=1.0, unconditional=text())
