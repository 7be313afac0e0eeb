from __future__ import annotations

import pytest
import torch
from tiny import TINIES, randn, random_condition, random_data, random_flow
from torch import nn

from starflow_core.flow.recomputed import recomputed


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
