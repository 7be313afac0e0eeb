"""Flows small enough for a test, with weights random enough to matter."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from starflow_core.config import FlowConfig
from starflow_core.flow import StarFlow

TINY = FlowConfig(
    in_channels=2,
    img_size=4,
    channels=40,
    num_blocks=3,
    layers_per_block=(1, 1, 2),
    head_dim=20,
    expansion=2,
    txt_size=3,
    txt_dim=5,
    soft_clip=4.0,
)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def random_flow(config: FlowConfig, seed: int = 0, **factory: Any) -> StarFlow:
    """A flow whose every parameter is random: fresh ones would hide mistakes behind zeros and ones."""
    flow = StarFlow(config, **factory)
    with torch.no_grad():
        for i, (name, parameter) in enumerate(flow.named_parameters()):
            noise = randn(*parameter.shape, seed=1000 * seed + i)
            if parameter.ndim == 1:
                center = 1.0 if name.endswith(".norm.weight") else 0.0
                parameter.copy_(center + 0.3 * noise)
            else:
                parameter.copy_(noise if "embed" in name else noise / parameter.shape[-1] ** 0.5)
            if "proj_out" in name:
                parameter.mul_(0.2)  # keeps the scales near one, where float32 can invert them
    return flow.eval().requires_grad_(False)
