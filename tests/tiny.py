"""Flows small enough for a test, with weights random enough to matter, and what they take."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor

from starflow_core.flow.config import StarFlowConfig, TarFlowConfig
from starflow_core.flow.starflow import StarFlow
from starflow_core.flow.tarflow import TarFlow

TINY = StarFlowConfig(
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
TINY_TARFLOW = TarFlowConfig(
    in_channels=3,
    img_size=8,
    patch_size=2,
    channels=24,
    num_blocks=3,
    layers_per_block=1,
    num_classes=3,
    head_dim=12,
    expansion=2,
)
# Where and in what tests compute, unless they say otherwise.
HERE: Any = {"device": torch.device("cpu"), "dtype": torch.float32}
# One of each kind, for what both have in common.
TINIES = {"starflow": TINY, "tarflow": TINY_TARFLOW}


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def random_flow(config: StarFlowConfig | TarFlowConfig, seed: int = 0, **factory: Any) -> StarFlow | TarFlow:
    """A flow whose every parameter is random: fresh ones would hide mistakes behind zeros and ones."""
    flow = StarFlow(config, **factory) if isinstance(config, StarFlowConfig) else TarFlow(config, **factory)
    is_bounded = isinstance(config, StarFlowConfig) and config.use_final_norm
    with torch.no_grad():
        for i, (name, parameter) in enumerate(itertools.chain(flow.named_parameters(), flow.named_buffers())):
            noise = randn(*parameter.shape, seed=1000 * seed + i)
            if name == "var":
                parameter.copy_((0.5 * noise).exp())
            elif parameter.ndim == 1:
                center = 1.0 if name.endswith(".norm.weight") else 0.0
                parameter.copy_(center + 0.3 * noise)
            else:
                parameter.copy_(noise if "embed" in name else noise / parameter.shape[-1] ** 0.5)
            if "proj_out" in name:
                parameter.mul_(0.2 if is_bounded else 0.05)  # keeps the scales near one, where float32 can invert them
    return flow.eval().requires_grad_(False)


def random_data(config: StarFlowConfig | TarFlowConfig, batch: int = 2, seed: int = 1) -> Tensor:
    """Data, or noise, of the size that a flow was trained at."""
    return randn(batch, config.in_channels, config.img_size, config.img_size, seed=seed)


def random_condition(config: StarFlowConfig | TarFlowConfig, batch: int = 2, seed: int = 2) -> Tensor | None:
    """Text features or labels that fit a flow, labels of no class among them; None where it takes neither."""
    if isinstance(config, StarFlowConfig):
        return randn(batch, config.txt_size, config.txt_dim, seed=seed) if config.has_text else None
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-1, config.num_classes, (batch,), generator=generator) if config.num_classes else None
