from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import HERE, TINY, randn, random_flow

from starflow_core.flow.predictor import Predictor
from starflow_core.flow.rotary import rotary_table
from starflow_core.samplers import Sequential


@pytest.mark.parametrize("sos", [True, False])
def test_sequential_knows_one_more_token_a_step(sos: bool) -> None:
    config = dataclasses.replace(TINY, txt_size=0, sos=sos)
    block = random_flow(config).blocks[0]
    tokens = randn(2, 6, 2)
    rotary = rotary_table(config, (2, 3), 0, **HERE)
    z, _ = block(tokens, None, rotary)
    noise = z.clone()
    known = 0
    for known, x in Sequential().invert(Predictor(block, rotary, None, None, None, 2, 6, **HERE), z):
        torch.testing.assert_close(x[:, :known], tokens[:, :known], rtol=1e-4, atol=1e-5)
        assert torch.equal(x[:, known:], noise[:, known:])
    assert known == 6
    assert torch.equal(z, noise)
