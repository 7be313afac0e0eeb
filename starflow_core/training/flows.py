"""Untrained flows of both kinds, with layers for fast training, and their loss."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..codecs.dequantization import dequantized
from ..flow.config import AnyFlowConfig, StarFlowConfig, TarFlowConfig
from ..flow.flow import Flow
from ..flow.starflow import StarFlow
from ..flow.tarflow import TarFlow
from .initialisation import STD, start_as_identity
from .mixed_precision import edges_in_float32, training_operations


def new_tarflow(config: TarFlowConfig, device: torch.device) -> TarFlow:
    """An untrained TarFlow, which is the identity."""
    flow = TarFlow(config, training_operations(device.type))
    edges_in_float32(flow)
    for block in flow.blocks:
        assert block.pos_embed is not None
        nn.init.normal_(block.pos_embed, std=STD)
        if block.class_embed is not None:
            nn.init.normal_(block.class_embed, std=STD)
    start_as_identity(flow)
    return flow.to(device)


def new_starflow(config: StarFlowConfig, device: torch.device) -> StarFlow:
    """An untrained STARFlow, which is the identity."""
    flow = StarFlow(config, training_operations(device.type))
    edges_in_float32(flow)
    for block in flow.blocks:
        if block.sos_embed is not None:
            nn.init.normal_(block.sos_embed)
    start_as_identity(flow)
    return flow.to(device)


def new_flow(config: AnyFlowConfig, device: torch.device) -> Flow:
    """An untrained flow of the configuration's kind."""
    if isinstance(config, TarFlowConfig):
        return new_tarflow(config, device)
    assert isinstance(config, StarFlowConfig)
    return new_starflow(config, device)


def hidden_weights(flow: Flow) -> list[Tensor]:
    """The matrices within all transformer layers, which Muon trains."""
    return matrices(layer for block in flow.blocks for layer in block.attn_blocks)


def matrices(layers: Iterable[nn.Module]) -> list[Tensor]:
    """The weights of all linear layers within some layers."""
    return [module.weight for layer in layers for module in layer.modules() if isinstance(module, nn.Linear)]


def with_gaussian_noise(x: Tensor, std: float, generator: torch.Generator | None = None) -> Tensor:
    return x + std * torch.randn(x.shape, generator=generator).to(x)


def noised(flow: Flow, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Add the noise of training to data (B, C, H, W): Gaussian, or uniform within the steps of 8-bit pictures."""
    if flow.is_dequantized:
        return dequantized(x, torch.rand(x.shape, generator=generator).to(x))
    return with_gaussian_noise(x, flow.config.noise_std, generator)


def bits_per_dim(flow: Flow, x: Tensor, condition: Tensor | None) -> Tensor:
    """Mean bits per dimension of noised data (B, C, H, W); of pictures, in 8-bit steps."""
    return math.log2(flow.levels) - flow(x, condition).log_prob.mean() / (math.log(2) * x[0].numel())
