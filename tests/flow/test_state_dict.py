from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from golden import load_golden, published_shapes
from tiny import TINIES, TINY, TINY_TARFLOW, random_flow
from torch import Tensor

from starflow_core.flow.config import StarFlowConfig, TarFlowConfig
from starflow_core.flow.flow import Flow
from starflow_core.flow.starflow import StarFlow
from starflow_core.flow.state_dict import published_state_dict
from starflow_core.flow.tarflow import TarFlow
from starflow_core.weights.published import STARFLOW_3B

VIDEO_7B = StarFlowConfig(
    in_channels=48,
    img_size=32,
    channels=3072,
    top_block_channels=4096,
    num_blocks=6,
    layers_per_block=(2, 2, 2, 2, 2, 24),
    txt_size=256,
    txt_dim=2048,
)
AFHQ = TarFlowConfig(
    in_channels=3, img_size=256, patch_size=8, channels=768, num_blocks=8, layers_per_block=8, num_classes=3
)


FLOWS: dict[str, Any] = {"starflow": StarFlow, "tarflow": TarFlow}
both = pytest.mark.parametrize("kind", FLOWS)


def has_meaning(name: str) -> bool:
    return name != "var" and not name.endswith(".attn_mask") and not name.startswith("feat_rope.")


def shapes(flow: Flow) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in flow.state_dict().items()}


def meta_tensors(name: str) -> dict[str, Tensor]:
    return {key: torch.empty(shape, device="meta") for key, shape in published_shapes(name).items()}


def test_3b_configuration_has_the_published_tensors() -> None:
    flow = StarFlow(STARFLOW_3B, device="meta")
    published = published_shapes("starflow_3B_t2i_256x256")
    assert shapes(flow) == {name: shape for name, shape in published.items() if has_meaning(name)}
    assert sum(parameter.numel() for parameter in flow.parameters()) == 3_858_281_544


def test_3b_checkpoint_loads_under_its_wrappers() -> None:
    tensors = meta_tensors("starflow_3B_t2i_256x256")
    StarFlow.from_state_dict(STARFLOW_3B, {f"module._orig_mod.{name}": tensor for name, tensor in tensors.items()})


def test_7b_configuration_has_the_published_blocks() -> None:
    published = published_shapes("starflow-v_7B")
    blocks = {name: shape for name, shape in published.items() if name.startswith("blocks.") and has_meaning(name)}
    assert shapes(StarFlow(VIDEO_7B, device="meta")) == blocks


def test_7b_denoiser_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"unexpected: learnable_self_denoiser\.\S+.* and \d+ more"):
        StarFlow.from_state_dict(VIDEO_7B, meta_tensors("starflow-v_7B"))


def test_afhq_configuration_has_the_published_tensors() -> None:
    flow = TarFlow(AFHQ, device="meta")
    published = published_shapes("tarflow_afhq256")
    assert shapes(flow) == {name: shape for name, shape in published.items() if not name.endswith(".attn_mask")}
    # The prior, which this model does not learn, is stored but no parameter by the published count.
    assert sum(parameter.numel() for parameter in flow.parameters() if parameter.requires_grad) == 463_481_856


def test_afhq_checkpoint_loads_under_its_wrappers() -> None:
    tensors = meta_tensors("tarflow_afhq256")
    TarFlow.from_state_dict(AFHQ, {f"module._orig_mod.{name}": tensor for name, tensor in tensors.items()})


def test_prior_that_a_starflow_does_not_use_is_dropped() -> None:
    weights = random_flow(TINY).state_dict()
    flow = StarFlow.from_state_dict(TINY, weights | {"var": torch.zeros(16, 2)})
    assert "var" not in flow.state_dict()


def test_prior_that_a_tarflow_does_use_must_be_there() -> None:
    weights = random_flow(TINY_TARFLOW).state_dict()
    assert torch.equal(TarFlow.from_state_dict(TINY_TARFLOW, weights).var, weights.pop("var"))
    with pytest.raises(ValueError, match=r"missing: var\."):
        TarFlow.from_state_dict(TINY_TARFLOW, weights)


def test_meaningless_buffers_are_dropped_and_nothing_else() -> None:
    buffers = ["blocks.0.attn_mask", "blocks.12.attn_mask", "feat_rope.freqs_cos", "feat_rope.freqs_sin"]
    others = ["var", "variance", "blocks.0.var", "blocks.0.sos_embed", "feat_rope.other", "attn_mask", "xvar"]
    state_dict = {name: torch.zeros(1) for name in buffers + others}
    assert list(published_state_dict(state_dict)) == others


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod."])
@both
def test_wrapper_prefixes_are_removed(kind: str, prefix: str) -> None:
    config = TINIES[kind]
    weights = random_flow(config).state_dict()
    flow = FLOWS[kind].from_state_dict(config, {prefix + name: tensor for name, tensor in weights.items()})
    assert all(torch.equal(tensor, weights[name]) for name, tensor in flow.state_dict().items())


@both
def test_tensors_are_not_copied(kind: str) -> None:
    weights = random_flow(TINIES[kind]).state_dict()
    flow = FLOWS[kind].from_state_dict(TINIES[kind], weights)
    assert all(tensor.data_ptr() == weights[name].data_ptr() for name, tensor in flow.state_dict().items())


@both
def test_loaded_flow_is_frozen_and_of_the_dtype_wanted(kind: str) -> None:
    config = TINIES[kind]
    flow = FLOWS[kind].from_state_dict(config, random_flow(config).state_dict(), dtype=torch.bfloat16)
    assert not flow.training
    assert {parameter.dtype for parameter in flow.parameters()} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in flow.parameters())


def test_missing_unexpected_and_misshapen_tensors_are_named() -> None:
    weights = random_flow(TINY).state_dict()
    del weights["blocks.1.proj_in.bias"]
    weights["blocks.7.proj_in.bias"] = torch.zeros(1)
    weights["blocks.0.sos_embed"] = torch.zeros(1, 1, 3)
    with pytest.raises(ValueError, match="not those of this flow") as refusal:
        StarFlow.from_state_dict(TINY, weights)
    message = str(refusal.value)
    assert "missing: blocks.1.proj_in.bias" in message
    assert "unexpected: blocks.7.proj_in.bias" in message
    assert "of another shape: blocks.0.sos_embed (1, 1, 3) instead of (1, 1, 2)" in message


def test_long_lists_of_problems_are_cut() -> None:
    golden = load_golden("starflow_square")
    kept = {name: tensor for name, tensor in golden.weights.items() if not name.startswith("blocks.3.")}
    with pytest.raises(ValueError, match=re.escape("missing: blocks.3.")) as refusal:
        StarFlow.from_state_dict(golden.config, kept)
    missing = len(golden.weights) - len(kept)
    assert f"and {missing - 6} more" in str(refusal.value)
