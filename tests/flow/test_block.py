from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import HERE, TINY, TINY_TARFLOW, randn, random_condition, random_data, random_flow

from starflow_core.flow.block import Condition, FinalNorm
from starflow_core.flow.config import StarFlowConfig, TarFlowConfig
from starflow_core.flow.rotary import rotary_table
from starflow_core.flow.tokens import patchify
from starflow_core.flow.transformer import AttentionState

UNCONDITIONAL = dataclasses.replace(TINY, txt_size=0)
CONFIGS: dict[str, StarFlowConfig | TarFlowConfig] = {
    "rotary": TINY,
    "learned positions": dataclasses.replace(TINY, rope=False),
    "rotary, without a start token": dataclasses.replace(TINY, sos=False),
    "learned positions, without a start token": dataclasses.replace(TINY, rope=False, sos=False),
    "without text": UNCONDITIONAL,
    "tarflow": TINY_TARFLOW,
    "tarflow that preserves volume": dataclasses.replace(TINY_TARFLOW, nvp=False),
    "tarflow without classes": dataclasses.replace(TINY_TARFLOW, num_classes=0),
}


@pytest.mark.parametrize(
    "config",
    [
        *(dataclasses.replace(UNCONDITIONAL, use_softplus=use_softplus) for use_softplus in (True, False)),
        *(dataclasses.replace(TINY_TARFLOW, nvp=nvp) for nvp in (True, False)),
    ],
    ids=["softplus", "exponential", "tarflow", "tarflow that preserves volume"],
)
def test_output_of_zero_leaves_tokens_as_they_are(config: StarFlowConfig | TarFlowConfig) -> None:
    flow, tokens = random_flow(config), patchify(random_data(config), config)
    block = flow.blocks[0]
    block.proj_out.weight.zero_()
    block.proj_out.bias.zero_()
    z, log_det = block(tokens, None, flow.rotary(block, (4, 4), None))
    torch.testing.assert_close(z, tokens)
    torch.testing.assert_close(log_det, torch.zeros(2, 16), rtol=0, atol=1e-6)


def test_soft_clip_bounds_mean_and_scale() -> None:
    flow = random_flow(dataclasses.replace(TINY, txt_size=0, soft_clip=2.0, use_softplus=False))
    block = flow.blocks[0]
    block.proj_out.weight.mul_(1000)
    attention = AttentionState(block.new_cache(2, 6, **HERE))
    affine = block.predict(
        block.with_start(randn(2, 5, 2)), Condition(), rotary_table(TINY, (2, 3), 0, **HERE), attention
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


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
@pytest.mark.parametrize("chunk", [1, 3])
def test_prediction_in_chunks_equals_the_parallel_pass(config: StarFlowConfig | TarFlowConfig, chunk: int) -> None:
    flow = random_flow(config)
    block, tokens, given = flow.blocks[-1], patchify(random_data(config), config), random_condition(config)
    rotary = flow.rotary(block, (4, 4), given)
    z, log_det = block(tokens, given, rotary)

    condition = block.condition(given, torch.float32)
    attention = AttentionState(block.new_cache(2, condition.length + 16, **HERE))
    block.read_prefix(condition, rotary, attention)
    parts = [
        block.predict(part, condition, rotary, attention)
        for part in block.with_start(tokens)[:, :-1].split(chunk, dim=1)
    ]
    mean = torch.cat([part.mean for part in parts], dim=1)
    scale = torch.cat([part.scale for part in parts], dim=1)
    free = block.free_tokens
    torch.testing.assert_close((tokens[:, free:] - mean) / scale, z[:, free:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(-scale.log().sum(-1), log_det[:, free:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [dataclasses.replace(UNCONDITIONAL, rope=False), dataclasses.replace(TINY_TARFLOW, num_classes=0)],
    ids=["starflow", "tarflow"],
)
def test_learned_positions_belong_to_places_in_the_picture(config: StarFlowConfig | TarFlowConfig) -> None:
    """A reversed block on a reversed picture is a plain block whose positions are reversed."""
    one, other, *_ = random_flow(config).blocks
    assert one.shape.flip != other.shape.flip
    other.load_state_dict(one.state_dict())
    other.pos_embed.copy_(other.pos_embed.flip(0))
    tokens = patchify(random_data(config), config)
    torch.testing.assert_close(one(tokens, None, None), other(tokens, None, None))


def test_class_is_added_to_every_token() -> None:
    block, tokens = random_flow(TINY_TARFLOW).blocks[0], patchify(random_data(TINY_TARFLOW), TINY_TARFLOW)
    plain = random_flow(dataclasses.replace(TINY_TARFLOW, num_classes=0)).blocks[0]
    weights = block.state_dict()
    embeddings = weights.pop("class_embed")
    for label, added in [(0, embeddings[0]), (2, embeddings[2]), (-1, embeddings.mean(0))]:
        plain.load_state_dict(weights | {"pos_embed": weights["pos_embed"] + added})
        torch.testing.assert_close(block(tokens, torch.tensor([label] * 2), None), plain(tokens, None, None))


def test_label_of_no_class_is_the_mean_of_all_classes() -> None:
    block = random_flow(TINY_TARFLOW).blocks[0]
    condition = block.condition(torch.tensor([1, -1, 0, -7]), torch.float32)
    mean = block.class_embed.mean(0)
    assert (condition.prefix, condition.length) == (None, 0)
    torch.testing.assert_close(condition.bias, torch.stack([block.class_embed[1], mean, block.class_embed[0], mean]))
    torch.testing.assert_close(block.condition(None, torch.float32).bias, mean[None])


def test_text_stands_before_the_tokens() -> None:
    block, text = random_flow(TINY).blocks[-1], randn(2, 3, 5)
    condition = block.condition(text, torch.float32)
    assert condition.length == 3
    assert condition.bias is None
    torch.testing.assert_close(condition.prefix, block.proj_txt(text))


@pytest.mark.parametrize("config", [UNCONDITIONAL, dataclasses.replace(TINY_TARFLOW, num_classes=0)])
def test_block_without_a_condition_has_none(config: StarFlowConfig | TarFlowConfig) -> None:
    block = random_flow(config).blocks[-1]
    assert not block.is_conditioned
    assert block.condition(None, torch.float32) == Condition(None, None)
