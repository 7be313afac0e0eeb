"""The flows that ours are compared with: each is a flow, and its log-determinant is the Jacobian's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.flows.contender import DIMENSIONS, Contender
from benchmarks.flows.denseflow import DenseFlow, Level
from benchmarks.flows.macow import MaCow, MaskedConvolution
from benchmarks.flows.macow import step as macow_step
from benchmarks.flows.ours import OneBlock, SmallTarFlow
from benchmarks.flows.parts import ActNorm, Chain, Convolutions, Coupling, Layer, Mix, Squeeze
from benchmarks.flows.training import measured, trained

LAYERS: dict[str, Callable[[], Layer]] = {
    "actnorm": lambda: ActNorm(4),
    "mix": lambda: Mix(4),
    "coupling": lambda: Coupling(5, Convolutions(3, 8, 4)),
    "squeeze": Squeeze,
    **{f"masked, {turn} turns": partial(MaskedConvolution, 4, turn) for turn in range(4)},
    "macow's step": lambda: Chain(macow_step(4)),
}


def shaken(module: nn.Module) -> nn.Module:
    """Random weights: many begin at zero, where a layer is the identity."""
    torch.manual_seed(0)
    for weight in module.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    return module.double().eval()


@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_inverted_and_its_log_determinant_is_the_jacobians(name: str) -> None:
    layer = shaken(LAYERS[name]())
    assert isinstance(layer, Layer)
    channels = 5 if name == "coupling" else 4
    x = torch.randn(2, channels, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y, log_det = layer(x)
    assert torch.allclose(layer.inverse(y), x, atol=1e-8)
    for one, found in zip(x, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda part: layer(part[None])[0].flatten(), one)
        assert isinstance(jacobian, Tensor)
        exact = jacobian.reshape(one.numel(), -1).slogdet().logabsdet
        assert torch.allclose(found.double(), exact, atol=1e-6)


def test_masked_convolution_sees_only_what_comes_before() -> None:
    layer = shaken(MaskedConvolution(2, 0))
    x = torch.zeros(1, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    layer(x)[0][0, :, 2, 2].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0) > 0
    assert not seen[3:].any()
    assert not seen[2, 3:].any()
    assert seen[:2].any()
    assert seen[2, :2].any()


def test_noise_of_a_level_is_weighed_exactly() -> None:
    """The gain is that of one flow of x and noise, minus the noise's log-density: check it against the Jacobian."""
    level = shaken(Level(4, 2, 2))
    assert isinstance(level, Level)
    x = torch.randn(1, 4, 2, 2, dtype=torch.float64)

    def outputs(x: Tensor, standard: Tensor) -> Tensor:
        first, _ = level.units[0](x)
        mean, log_scale = level.noises[0](first).chunk(2, 1)
        return level.units[1](torch.cat([first, mean + log_scale.exp() * standard], 1))[0].flatten()

    torch.manual_seed(3)
    _, gain = level(x)
    torch.manual_seed(3)
    standard = torch.randn(1, 2, 2, 2, dtype=torch.float64)
    columns = torch.autograd.functional.jacobian(outputs, (x, standard))
    jacobian = torch.cat([column.reshape(24, -1) for column in columns], 1)
    normal = -0.5 * (standard.square() + np.log(2 * np.pi)).sum()
    assert torch.allclose(gain, jacobian.slogdet().logabsdet - normal, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: MaCow(2, 1), lambda: DenseFlow(2, 2), SmallTarFlow, OneBlock])
def test_flow_learns_and_says_finite_bits(make: type[Contender]) -> None:
    pictures = np.full((32, 32, 32, 3), 255, np.uint8)
    pictures[:, 8:24, 8:24] = np.random.default_rng(0).integers(0, 256, (32, 1, 1, 3), dtype=np.uint8)
    found = trained(make, pictures, pictures[:4], seconds=1)
    bits = measured(found.model, pictures[:3])
    assert bits.shape == (3,)
    assert np.isfinite(bits).all()
    assert bits.max() < 20
    assert np.array_equal(bits, measured(found.model, pictures[:3]))


def test_glow_is_a_flow_of_all_numbers() -> None:
    pytest.importorskip("normflows")
    from benchmarks.flows.glow import Glow

    torch.manual_seed(0)
    glow = Glow(levels=2, steps=1, hidden=8).eval()
    noise, _ = glow.flow.sample(2)
    assert noise.shape == (2, 3, 32, 32)
    assert noise[0].numel() == DIMENSIONS
    assert torch.isfinite(glow.log_prob(noise)).all()
