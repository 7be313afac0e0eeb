from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from golden import relative_error
from tiny import TINY_TARFLOW, random_data, random_flow
from torch import Tensor

from starflow_core.flow.guidance import TarFlowGuidance
from starflow_core.flow.tarflow import TarFlow
from starflow_core.flow.tokens import patchify, unpatchify

CLASSLESS = dataclasses.replace(TINY_TARFLOW, num_classes=0)
X = random_data(TINY_TARFLOW, 3)


@pytest.fixture(scope="module")
def flow() -> TarFlow:
    return random_flow(TINY_TARFLOW)


def labels(*values: int) -> Tensor:
    return torch.tensor(values)


# Classes


def test_picture_of_no_class_sees_the_mean_of_the_class_embeddings(flow: TarFlow) -> None:
    changed = random_flow(TINY_TARFLOW)
    for block in changed.blocks:
        block.class_embed[0] = block.class_embed.mean(0)
    expected = changed(X, labels(0, 0, 0)).z
    for none in (None, labels(-1, -1, -1), labels(-1, -2, -100)):
        torch.testing.assert_close(flow(X, none).z, expected)
        torch.testing.assert_close(flow.inverse(expected, none), X, rtol=1e-4, atol=1e-4)


def test_pictures_of_a_batch_may_be_of_a_class_or_of_none(flow: TarFlow) -> None:
    mixed = labels(2, -1, 0)
    together = flow(X, mixed)
    for i in range(3):
        alone = flow(X[i : i + 1], None if i == 1 else mixed[i : i + 1])
        torch.testing.assert_close(together.log_prob[i : i + 1], alone.log_prob)
        torch.testing.assert_close(together.z[i : i + 1], alone.z)


def test_classes_differ(flow: TarFlow) -> None:
    scores = [float(flow(X[:1], labels(label)).log_prob) for label in (-1, 0, 1, 2)]
    assert len(set(scores)) == 4


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.int64])
def test_labels_may_be_of_any_whole_dtype(flow: TarFlow, dtype: torch.dtype) -> None:
    assert torch.equal(flow(X, labels(0, 1, 2).to(dtype)).z, flow(X, labels(0, 1, 2)).z)


def test_label_of_a_class_that_there_is_not_is_refused(flow: TarFlow) -> None:
    with pytest.raises(ValueError, match="labels: there is no class 3; this flow's classes are 0 to 2"):
        flow(X, labels(0, 3, 1))
    with pytest.raises(ValueError, match="unconditional: there is no class 5; this flow's classes are 0 to 2"):
        flow.inverse(X, None, guidance=1.0, unconditional=labels(5))


@pytest.mark.parametrize(
    "wrong", [torch.zeros(3), labels(0, 1), labels(0), labels(0, 1, 2)[None], labels(0, 1, 0).bool()]
)
def test_labels_that_do_not_fit_are_refused(flow: TarFlow, wrong: Tensor) -> None:
    with pytest.raises(ValueError, match=r"labels: got torch\..* of shape .*; 3 whole numbers"):
        flow(X, wrong)
    with pytest.raises(ValueError, match=r"labels: got torch\..* of shape .*; 3 whole numbers"):
        flow.inverse(X, wrong)


def test_labels_for_a_model_without_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="knows no classes; leave labels away"):
        random_flow(CLASSLESS)(X, labels(0, 0, 0))
    with pytest.raises(ValueError, match="knows no classes; leave unconditional away"):
        random_flow(CLASSLESS).inverse(X, guidance=1.0, unconditional=labels(0, 0, 0))


# The prior


@pytest.mark.parametrize("nvp", [False, True])
def test_noise_is_in_units_of_the_priors_standard_deviation(nvp: bool) -> None:
    config = dataclasses.replace(TINY_TARFLOW, nvp=nvp)
    flow = random_flow(config)
    *_, last = flow.transform(X)
    output = flow(X)
    torch.testing.assert_close(patchify(output.z, config) * flow.var.sqrt(), last.tokens)
    prior = torch.distributions.Normal(0.0, flow.var.sqrt())
    expected = prior.log_prob(last.tokens).sum(-1).unflatten(1, (4, 4))
    if not nvp:
        torch.testing.assert_close(output.log_prob_map, expected)


def test_flow_that_only_shifts_preserves_volume() -> None:
    flow = random_flow(dataclasses.replace(TINY_TARFLOW, nvp=False))
    for output in flow.transform(X):
        assert not output.log_det.any()
    z = flow(X).z
    log_normal = (-0.5 * (z.square() + math.log(2 * math.pi))).sum((1, 2, 3))
    torch.testing.assert_close(flow(X).log_prob, log_normal - 0.5 * flow.var.log().sum())


def test_inverse_scales_the_noise_by_the_prior() -> None:
    config = dataclasses.replace(TINY_TARFLOW, nvp=False)
    flow, plain = random_flow(config), random_flow(config)
    plain.var.fill_(1)
    scaled = unpatchify(patchify(X, config) * flow.var.sqrt(), (4, 4), config)
    torch.testing.assert_close(flow.inverse(X), plain.inverse(scaled))


def test_variance_of_the_prior_is_not_trained() -> None:
    assert not TarFlow(TINY_TARFLOW).var.requires_grad
    assert torch.equal(TarFlow(TINY_TARFLOW).var, torch.ones(16, 12))


# Guidance


def test_guidance_is_away_from_no_class_by_default(flow: TarFlow) -> None:
    by_default = flow.inverse(X, labels(0, 1, 2), guidance=1.0)
    assert torch.equal(flow.inverse(X, labels(0, 1, 2), guidance=1.0, unconditional=labels(-1)), by_default)
    assert not torch.equal(flow.inverse(X, labels(0, 1, 2), guidance=1.0, unconditional=labels(1)), by_default)


def test_picture_is_not_guided_away_from_what_it_is(flow: TarFlow) -> None:
    plain = flow.inverse(X, labels(0, -1, 2))
    guided = flow.inverse(X, labels(0, -1, 2), guidance=3.0, unconditional=labels(0, -1, 1))
    torch.testing.assert_close(guided[:2], plain[:2], rtol=1e-4, atol=1e-4)
    assert relative_error(guided[2], plain[2]) > 0.01


def test_kinds_of_guidance_differ(flow: TarFlow) -> None:
    guidances = [flow.guide(1.5, **options) for options in OPTIONS]
    drawn = torch.stack([flow.inverse(X, labels(0, 1, 2), guidance=guidance) for guidance in guidances])
    assert len(torch.unique(drawn, dim=0)) == len(OPTIONS)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"guided": "a"},
    {"guided": "b"},
    {"annealed": True},
    {"attention_temperature": 0.7},
    {"annealed": True, "attention_temperature": 0.7},
]


def test_guidance_without_classes_needs_an_attention_temperature() -> None:
    flow = random_flow(CLASSLESS)
    plain = flow.inverse(X)
    assert torch.equal(flow.inverse(X, guidance=2.0), plain)
    guided = flow.inverse(X, guidance=TarFlowGuidance(2.0, attention_temperature=0.7))
    assert relative_error(guided, plain) > 0.001


def test_attention_temperature_matters_with_guidance_only(flow: TarFlow) -> None:
    off = TarFlowGuidance(0.0, attention_temperature=0.7)
    assert torch.equal(flow.inverse(X, labels(0, 1, 2), guidance=off), flow.inverse(X, labels(0, 1, 2)))
