from __future__ import annotations

import pytest
import torch
from tiny import TINIES, randn, random_condition, random_data, random_flow
from torch import nn

from starflow_core.flow.recomputed import recomputed, recomputed_with_weights


def test_result_and_gradient_are_those_of_the_layer() -> None:
    layer = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 5)).requires_grad_(False)
    gradients = []
    for call in (layer, lambda x: recomputed(layer, recomputed(layer, x))):
        x = randn(3, 5).requires_grad_()
        y = layer(call(x)) if call is layer else call(x)
        gradients.append(torch.autograd.grad(y.square().sum(), x)[0])
    assert torch.equal(*gradients)


def test_what_a_layer_keeps_within_is_let_go_of() -> None:
    kept: list[int] = []
    layer = nn.Sequential(nn.Linear(5, 700), nn.Tanh(), nn.Linear(700, 5)).requires_grad_(False)

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        recomputed(layer, randn(3, 5).requires_grad_())
    assert kept == [15]


def test_gradients_of_weights_are_those_of_the_layer() -> None:
    layer = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 5))
    x, found = randn(3, 5), []  # the data asks for no gradient
    for call in (layer, lambda x: recomputed_with_weights(layer, recomputed_with_weights(layer, x))):
        y = layer(call(x)) if call is layer else call(x)
        found.append(torch.autograd.grad(y.square().sum(), list(layer.parameters())))
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


@pytest.mark.parametrize("kind", TINIES)
def test_gradients_of_a_flows_weights_are_the_same_with_and_without_activations(kind: str) -> None:
    config, found = TINIES[kind], []
    for keeps in (True, False):
        flow = random_flow(config).requires_grad_(True)
        for block in flow.blocks:
            block.keeps_activations = keeps
        loss = flow(random_data(config), random_condition(config)).log_prob.sum()
        used = [weight for block in flow.blocks for weight in block.attn_blocks.parameters()]
        found.append(torch.autograd.grad(loss, used, allow_unused=True))
    assert all(a is b is None or torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("kind", TINIES)
def test_gradient_of_a_flow_is_the_same_with_weights_that_ask_for_one(kind: str) -> None:
    """Weights that ask for a gradient keep all activations: the plain way."""
    config = TINIES[kind]
    gradients = []
    for asks in (False, True):
        flow = random_flow(config).requires_grad_(asks)
        x = random_data(config).requires_grad_()
        gradients.append(torch.autograd.grad(flow(x, random_condition(config)).log_prob.sum(), x)[0])
    assert torch.equal(*gradients)
    assert gradients[0].any()
