from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import TINY, randn, random_flow

from starflow_core.block import FinalNorm
from starflow_core.config import FlowConfig
from starflow_core.rotary import rotary_table


@pytest.mark.parametrize("use_softplus", [True, False])
def test_output_of_zero_leaves_tokens_as_they_are(use_softplus: bool) -> None:
    flow = random_flow(dataclasses.replace(TINY, txt_size=0, use_softplus=use_softplus))
    block = flow.blocks[0]
    block.proj_out.weight.zero_()
    block.proj_out.bias.zero_()
    tokens = randn(2, 6, 2)
    z, log_det = block(tokens, None, rotary_table(flow.config, (2, 3), 0, tokens))
    torch.testing.assert_close(z, tokens)
    torch.testing.assert_close(log_det, torch.zeros(2, 6), rtol=0, atol=1e-6)


def test_soft_clip_bounds_mean_and_scale() -> None:
    flow = random_flow(dataclasses.replace(TINY, txt_size=0, soft_clip=2.0, use_softplus=False))
    block = flow.blocks[0]
    block.proj_out.weight.mul_(1000)
    affine = block.predict(
        block.with_start(randn(2, 5, 2)), rotary_table(TINY, (2, 3), 0, randn(1)), block.new_cache(2, 6)
    )
    assert affine.mean.abs().max() <= 2
    assert affine.scale.log().abs().max() <= 2 * (1 + 1e-6)
    assert affine.mean.abs().max() > 1.9  # the bound is reached, not undercut


def test_final_norm_weight_is_a_distance_from_one() -> None:
    norm = FinalNorm(8)
    x = 5 * randn(3, 8)
    norm.weight.data.copy_(randn(8, seed=1))
    expected = x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * (1 + norm.weight)
    torch.testing.assert_close(norm(x), expected)


def test_final_norm_computes_in_float32() -> None:
    norm = FinalNorm(8, dtype=torch.float16)
    x = torch.full((1, 8), 3e4, dtype=torch.float16)  # its square overflows float16
    torch.testing.assert_close(norm(x), torch.ones(1, 8, dtype=torch.float16))


@pytest.mark.parametrize("sos", [True, False])
@pytest.mark.parametrize("rope", [True, False])
@pytest.mark.parametrize("chunk", [1, 3])
def test_prediction_in_chunks_equals_the_parallel_pass(sos: bool, rope: bool, chunk: int) -> None:
    config: FlowConfig = dataclasses.replace(TINY, sos=sos, rope=rope)
    block = random_flow(config).blocks[-1]
    tokens, text = randn(2, 16, 2), randn(2, 3, 5, seed=1)
    rotary = rotary_table(config, (4, 4), 3, tokens) if rope else None
    z, log_det = block(tokens, text, rotary)

    cache = block.new_cache(2, 3 + 16)
    block.read_text(text, rotary, cache)
    parts = [block.predict(part, rotary, cache, 3) for part in block.with_start(tokens)[:, :-1].split(chunk, dim=1)]
    mean = torch.cat([part.mean for part in parts], dim=1)
    scale = torch.cat([part.scale for part in parts], dim=1)
    free = block.free_tokens
    torch.testing.assert_close((tokens[:, free:] - mean) / scale, z[:, free:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(-scale.log().sum(-1), log_det[:, free:], rtol=1e-4, atol=1e-5)


def test_learned_positions_belong_to_places_in_the_picture() -> None:
    """A reversed block on a reversed picture is a plain block whose positions are reversed."""
    config: FlowConfig = dataclasses.replace(TINY, txt_size=0, rope=False, num_blocks=1, layers_per_block=(2,))
    reverse = random_flow(dataclasses.replace(config, seq_order="L2R")).blocks[0]
    plain = random_flow(dataclasses.replace(config, seq_order="R2L")).blocks[0]
    plain.pos_embed.copy_(plain.pos_embed.flip(0))
    tokens = randn(2, 16, 2)
    torch.testing.assert_close(reverse(tokens, None, None), plain(tokens, None, None))
