"""Fast training that keeps a flow's gradients."""

from __future__ import annotations

from torch import Tensor, nn


class Bfloat16Linear(nn.Linear):
    """A linear layer whose products are made in bfloat16, between inputs and outputs in float32.

    Where a picture is white, a token is known to a thousandth, and its gradient is large. Autocast, which keeps
    attention in bfloat16 too, rounds so much of that away that the gradients of attention are mostly noise.
    """

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.bfloat16()
        return nn.functional.linear(x.bfloat16(), self.weight.bfloat16(), bias).float()


class MixedPrecision:
    """The operations of the transformers in training."""

    Linear = Bfloat16Linear
    LayerNorm = nn.LayerNorm
