from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from tiny import HERE, TINIES, TINY, random_condition, random_data, random_flow
from torch import Tensor

import starflow_core.flow.predictor
from starflow_core.flow.block import Affine, FlowBlock
from starflow_core.flow.flow import Flow
from starflow_core.flow.guidance import Guidance, TarFlowGuidance
from starflow_core.flow.predictor import Predictor
from starflow_core.flow.tokens import patchify


@dataclasses.dataclass(frozen=True)
class Posed:
    """A flow's last block, with tokens and two conditions for it."""

    flow: Flow
    block: FlowBlock
    tokens: Tensor
    given: Tensor
    unconditional: Tensor

    @property
    def contexts(self) -> Tensor:
        return self.block.with_start(self.tokens)[:, :-1]

    @property
    def place(self) -> Tensor:
        """Of every token that is predicted, from 0 to 1."""
        return torch.linspace(0, 1, 16)[self.block.free_tokens :, None]

    def predictor(
        self,
        given: Tensor,
        unconditional: Tensor | None = None,
        guidance: Guidance | None = None,
        block: FlowBlock | None = None,
    ) -> Predictor:
        block = block or self.block
        rotary = self.flow.rotary(block, (4, 4), given)
        return Predictor(block, rotary, given, unconditional, guidance, len(self.tokens), 16, **HERE)

    def guided(self, strength: float = 2.5, temperature: float = 1.0) -> Predictor:
        kind: Any = type(self.flow.guide(0.0))
        guidance = kind(strength, attention_temperature=temperature)
        return self.predictor(self.given, self.unconditional, guidance)


@pytest.fixture(scope="module", params=TINIES)
def posed(request: pytest.FixtureRequest) -> Posed:
    config = TINIES[request.param]
    flow = random_flow(config)
    tokens = patchify(random_data(config), config)
    given, unconditional = (random_condition(config, seed=seed) for seed in (2, 3))
    assert not torch.equal(given, unconditional)
    return Posed(flow, flow.blocks[-1], tokens, given, unconditional)


def assert_equal(actual: Affine, expected: Affine) -> None:
    torch.testing.assert_close(actual.mean, expected.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(actual.scale, expected.scale, rtol=1e-4, atol=1e-5)


def cooled(block: FlowBlock, temperature: float) -> FlowBlock:
    """A block whose attention logits are divided by a temperature, by way of its weights."""
    block = copy.deepcopy(block)
    for layer in block.attn_blocks:
        queries = slice(block.shape.width)
        layer.attention.qkv.weight[queries] /= temperature
        layer.attention.qkv.bias[queries] /= temperature
    return block


def test_guided_prediction_joins_two_plain_ones(posed: Posed) -> None:
    conditional, unconditional = (
        posed.predictor(given).predict(posed.contexts) for given in (posed.given, posed.unconditional)
    )
    guidance = posed.flow.guide(2.5)
    assert_equal(posed.guided().predict(posed.contexts), guidance(conditional, unconditional, posed.place))


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_attention_temperature_is_that_of_the_unconditional_pass(posed: Posed, temperature: float) -> None:
    conditional = posed.predictor(posed.given).predict(posed.contexts)
    unconditional = posed.predictor(posed.unconditional, block=cooled(posed.block, temperature)).predict(posed.contexts)
    result = posed.guided(temperature=temperature).predict(posed.contexts)
    assert_equal(result, posed.flow.guide(2.5)(conditional, unconditional, posed.place))
    warm = posed.predictor(posed.unconditional).predict(posed.contexts)
    assert not torch.allclose(warm.mean, unconditional.mean, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 4])
def test_annealed_guidance_knows_the_place_of_a_chunk(chunk: int) -> None:
    config = TINIES["tarflow"]
    flow = random_flow(config)
    block, contexts = flow.blocks[0], flow.blocks[0].with_start(patchify(random_data(config), config))[:, :-1]
    labels, guidance = torch.tensor([0, 2]), TarFlowGuidance(1.5, annealed=True)

    def predictor(given: Tensor, guidance: Guidance | None = None) -> Predictor:
        return Predictor(block, None, given, torch.tensor([-1, -1]), guidance, 2, 16, **HERE)

    guided = predictor(labels, guidance)
    parts = [guided.predict(part) for part in contexts.split(chunk, dim=1)]
    result = Affine(*(torch.cat(part, dim=1) for part in zip(*parts, strict=True)))
    plain, none = (predictor(given).predict(contexts) for given in (labels, torch.tensor([-1, -1])))
    strength = 1.5 * torch.arange(1, 16)[:, None] / 15
    assert_equal(
        result,
        Affine(
            plain.mean + strength * (plain.mean - none.mean),
            (plain.scale.log() + strength * (plain.scale.log() - none.scale.log())).exp(),
        ),
    )


def test_rollback_repeats_a_prediction(posed: Posed) -> None:
    guided, contexts = posed.guided(), posed.contexts
    guided.predict(contexts[:, :4])
    first = guided.predict(contexts[:, 4:8])
    assert guided.position == 8
    guided.rollback(4)
    assert guided.position == 4
    guided.predict(contexts[:, 4:8] + 1)  # a wrong guess, forgotten
    guided.rollback(4)
    assert_equal(guided.predict(contexts[:, 4:8]), first)


def test_guidance_takes_two_rows_a_picture(posed: Posed) -> None:
    plain, guided = posed.predictor(posed.given), posed.guided()
    assert (plain.rows, plain.is_guided) == (2, False)
    assert (guided.rows, guided.is_guided) == (4, True)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_draft_predicts_about_the_same(posed: Posed, temperature: float) -> None:
    predictor = posed.guided(1.0, temperature)
    draft = predictor.draft()
    assert draft.dtype == torch.bfloat16
    expected, result = predictor.predict(posed.contexts), draft.predict(posed.contexts)
    torch.testing.assert_close(result.mean, expected.mean, rtol=0.1, atol=0.1)
    torch.testing.assert_close(result.scale, expected.scale, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("sos", [True, False])
def test_token_written_is_a_context_at_once(sos: bool) -> None:
    block = random_flow(dataclasses.replace(TINY, sos=sos, txt_size=0)).blocks[0]
    tokens = patchify(random_data(TINY), TINY)
    contexts, x, free = Predictor(block, None, None, None, None, 2, 16, **HERE).start(tokens)
    assert torch.equal(x, tokens)
    before = x.clone()
    x[:, 4] += 1
    assert torch.equal(contexts[:, 5 - free], x[:, 4])  # token 5 is predicted from token 4
    assert torch.equal(tokens, before)


def test_drafts_are_for_many_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starflow_core.flow.predictor, "bfloat16_is_faster", lambda device_type: True)
    block = random_flow(dataclasses.replace(TINY, txt_size=0)).blocks[0]
    few = Predictor(block, None, None, None, None, 1, 511, **HERE)
    many = Predictor(block, None, None, None, None, 2, 256, **HERE)
    assert not few.drafts_are_faster
    assert many.drafts_are_faster
