"""Layers whose activations are computed anew on the way back.

`torch.utils.checkpoint` does it too, but its first call imports torch's compiler, which takes longer than a picture. So
only a training uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def recomputed(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """layer(x), of which x alone is kept for the gradient; there is none of the layer's weights."""
    y: Tensor = _Recomputed.apply(x, layer)
    return y


def recomputed_with_weights(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """layer(x), of which x alone is kept for the gradient of x and of the layer's weights."""
    from torch.utils.checkpoint import checkpoint

    y: Tensor = checkpoint(layer, x, use_reentrant=False, preserve_rng_state=False)
    return y


def plainly(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """layer(x), which keeps what its gradient needs, if one is asked for."""
    return layer(x)


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, layer: Callable[[Tensor], Tensor]) -> Tensor:
        context.save_for_backward(x)
        context.layer = layer
        return layer(x)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        (x,) = context.saved_tensors
        with torch.enable_grad():
            again = x.detach().requires_grad_()
            # Of a number and not of y given its gradient, which is the same and would import the compiler's sympy.
            number = (context.layer(again) * gradient).sum()
        return torch.autograd.grad(number, again)[0], None
