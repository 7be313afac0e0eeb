"""Fast training that keeps a flow's gradients."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..flow.flow import Flow
from ..flow.precision import bfloat16_is_faster


class Bfloat16Linear(nn.Linear):
    """A linear layer whose products are made in bfloat16, between inputs and outputs in float32.

    Where a picture is white, a token is known to a thousandth, and its gradient is large. Autocast, which keeps
    attention in bfloat16 too, rounds so much of that away that the gradients of attention are mostly noise.
    """

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.bfloat16()
        return nn.functional.linear(x.bfloat16(), self.weight.bfloat16(), bias).float()


class MixedPrecision:
    """The operations of the transformers in training, where the device is fast at bfloat16."""

    Linear = Bfloat16Linear
    LayerNorm = nn.LayerNorm


def training_operations(device_type: str) -> Any:
    """The namespace of layers that a flow trains fastest with on a kind of device, `"cpu"` for example."""
    return MixedPrecision if bfloat16_is_faster(device_type) else nn


def edges_in_float32(flow: Flow) -> None:
    """Replace what reads tokens and what writes means and scales by untrained layers that don't round."""
    for block in flow.blocks:
        for name in ("proj_in", "proj_out"):
            edge = getattr(block, name)
            setattr(block, name, nn.Linear(edge.in_features, edge.out_features))
