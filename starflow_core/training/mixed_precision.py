"""Fast training that keeps a flow's gradients."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..flow.flow import Flow
from ..flow.precision import bfloat16_is_faster


class Bfloat16Linear(nn.Linear):
    """A linear layer with bfloat16 products, and float32 inputs and outputs.

    In white areas a token is known to a thousandth, and its gradient is large. Autocast keeps attention in bfloat16
    too, and rounds so much of this away that attention's gradients are mostly noise.
    """

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.bfloat16()
        return nn.functional.linear(x.bfloat16(), self.weight.bfloat16(), bias).float()


class MixedPrecision:
    """The operations of the transformers in training, on devices that are fast at bfloat16."""

    Linear = Bfloat16Linear
    LayerNorm = nn.LayerNorm


def training_operations(device_type: str) -> Any:
    """The fastest namespace of layers for training on a type of device, such as `"cpu"`."""
    return MixedPrecision if bfloat16_is_faster(device_type) else nn


def edges_in_float32(flow: Flow) -> None:
    """Replace the input and output projections by new float32 layers, which do not round."""
    for block in flow.blocks:
        for name in ("proj_in", "proj_out"):
            edge = getattr(block, name)
            setattr(block, name, nn.Linear(edge.in_features, edge.out_features))
