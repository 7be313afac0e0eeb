from __future__ import annotations

import pytest
import torch
from tiny import randn
from torch import nn

from starflow_core.flow.cache import KeyValueCache
from starflow_core.flow.transformer import (
    Attention,
    AttentionState,
    TransformerLayer,
    _causal_after,
    _causal_attention,
)

PLAIN = AttentionState()


def new_attention() -> Attention:
    torch.manual_seed(0)
    attention = Attention(8, 4, nn)
    nn.init.normal_(attention.qkv.weight)  # attention that is far from uniform
    return attention.requires_grad_(False)


@pytest.mark.parametrize("temperature", [None, 0.5, 3.0])
def test_attention_is_causal_and_scaled(temperature: float | None) -> None:
    attention = new_attention()
    x = randn(1, 5, 8)
    queries, keys, values = attention.qkv(attention.norm(x)).unflatten(-1, (3, 2, 4)).unbind(2)
    outputs = torch.zeros(1, 5, 2, 4)
    for t in range(5):
        for head in range(2):
            logits = keys[0, : t + 1, head] @ queries[0, t, head] / 4**0.5 / (temperature or 1)
            outputs[0, t, head] = logits.softmax(0) @ values[0, : t + 1, head]
    state = AttentionState(temperature=None if temperature is None else torch.full((1, 1, 1, 1), temperature))
    torch.testing.assert_close(attention(x, None, state, 0), attention.proj(outputs.flatten(2)))


def test_every_row_has_its_own_temperature() -> None:
    attention, x = new_attention(), randn(2, 5, 8)
    temperature = torch.tensor([1.0, 0.5])[:, None, None, None]
    together = attention(x, None, AttentionState(temperature=temperature), 0)
    torch.testing.assert_close(together[:1], attention(x[:1], None, PLAIN, 0))
    alone = attention(x[1:], None, AttentionState(temperature=temperature[1:]), 0)
    torch.testing.assert_close(together[1:], alone)
    assert not torch.allclose(alone, attention(x[1:], None, PLAIN, 0), rtol=1e-2)


@pytest.mark.parametrize("temperature", [None, torch.tensor([1.0, 0.5])[:, None, None, None]])
def test_cached_attention_equals_the_whole(temperature: torch.Tensor | None) -> None:
    attention = new_attention()
    x = randn(2, 7, 8)
    cache = KeyValueCache(1, 2, 2, 7, 4, dtype=torch.float32, device=torch.device("cpu"))
    parts = []
    for part in x.split([2, 1, 4], dim=1):
        parts.append(attention(part, None, AttentionState(cache, temperature), 0))
        cache.advance(part.shape[1])
    torch.testing.assert_close(torch.cat(parts, dim=1), attention(x, None, AttentionState(temperature=temperature), 0))


@pytest.mark.parametrize("past", [1, 5])
def test_causal_attention_without_a_mask_is_that_with_one(past: int) -> None:
    queries, keys, values = randn(2, 2, 3, 4), randn(2, 2, 3 + past, 4, seed=1), randn(2, 2, 3 + past, 4, seed=2)
    masked = _causal_attention(queries, keys, values, past)
    torch.testing.assert_close(_causal_after(queries, keys, values), masked)


def test_layer_adds_attention_and_then_mlp() -> None:
    torch.manual_seed(0)
    layer = TransformerLayer(8, 4, 2, nn).requires_grad_(False)
    x = randn(2, 3, 8)
    h = x + layer.attention(x, None, PLAIN, 0)
    inside = nn.functional.gelu(layer.mlp.main[0](layer.mlp.norm(h)), approximate="none")
    torch.testing.assert_close(layer(x, None, PLAIN, 0), h + layer.mlp.main[2](inside))


def test_layers_come_from_the_operations() -> None:
    class Linear(nn.Linear):
        pass

    class LayerNorm(nn.LayerNorm):
        pass

    class Operations:
        pass

    Operations.Linear, Operations.LayerNorm = Linear, LayerNorm  # type: ignore[attr-defined]
    layer = TransformerLayer(8, 4, 2, Operations)
    parametrised = [module for module in layer.modules() if list(module.parameters(recurse=False))]
    assert {type(module) for module in parametrised} == {Linear, LayerNorm}
