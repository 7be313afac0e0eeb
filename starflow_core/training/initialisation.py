"""Initial weights of a flow's transformers."""

from __future__ import annotations

from torch import nn

from ..flow.flow import Flow

STD = 0.02


def start_as_identity(flow: Flow) -> None:
    """Small random weights and zero output projections: the flow starts as the identity."""
    for block in flow.blocks:
        nn.init.zeros_(block.proj_out.weight)
        nn.init.zeros_(block.proj_out.bias)
        for layer in block.attn_blocks:
            for linear in (module for module in layer.modules() if isinstance(module, nn.Linear)):
                nn.init.normal_(linear.weight, std=STD)
                nn.init.zeros_(linear.bias)
