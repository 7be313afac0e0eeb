from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import TINY, randn, random_flow

from starflow_core.block import Affine
from starflow_core.guidance import guided
from starflow_core.predictor import Predictor
from starflow_core.rotary import rotary_table

TOKENS = randn(2, 16, 2)
TEXT, UNCONDITIONAL = randn(2, 3, 5, seed=1), randn(2, 3, 5, seed=2)
BLOCK = random_flow(TINY).blocks[-1]


def predictor(text: torch.Tensor = TEXT, unconditional: torch.Tensor | None = None, guidance: float = 0.0) -> Predictor:
    return Predictor(BLOCK, rotary_table(TINY, (4, 4), 3, TOKENS), text, unconditional, guidance, 2, 16)


def assert_equal(actual: Affine, expected: Affine) -> None:
    torch.testing.assert_close(actual.mean, expected.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(actual.scale, expected.scale, rtol=1e-4, atol=1e-5)


def test_guided_prediction_joins_two_plain_ones() -> None:
    contexts = BLOCK.with_start(TOKENS)[:, :-1]
    conditional, unconditional = predictor(TEXT).predict(contexts), predictor(UNCONDITIONAL).predict(contexts)
    result = predictor(TEXT, UNCONDITIONAL, 2.5).predict(contexts)
    assert_equal(result, guided(conditional, unconditional, 2.5))


def test_rollback_repeats_a_prediction() -> None:
    guided_predictor = predictor(TEXT, UNCONDITIONAL, 2.5)
    contexts = BLOCK.with_start(TOKENS)[:, :-1]
    guided_predictor.predict(contexts[:, :4])
    first = guided_predictor.predict(contexts[:, 4:8])
    assert guided_predictor.position == 8
    guided_predictor.rollback(4)
    assert guided_predictor.position == 4
    guided_predictor.predict(contexts[:, 4:8] + 1)  # a wrong guess, forgotten
    guided_predictor.rollback(4)
    assert_equal(guided_predictor.predict(contexts[:, 4:8]), first)


@pytest.mark.parametrize("sos", [True, False])
def test_token_written_is_a_context_at_once(sos: bool) -> None:
    block = random_flow(dataclasses.replace(TINY, sos=sos, txt_size=0)).blocks[0]
    contexts, x, free = Predictor(block, None, None, None, 0.0, 2, 16).start(TOKENS)
    assert torch.equal(x, TOKENS)
    before = x.clone()
    x[:, 4] += 1
    assert torch.equal(contexts[:, 5 - free], x[:, 4])  # token 5 is predicted from token 4
    assert torch.equal(TOKENS, before)
