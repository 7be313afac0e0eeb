"""The codec's network in training: real numbers that are rounded as the integers of the codec are."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from starflow_core.compression.context import ANCHORS, INPUTS
from starflow_core.compression.network import (
    ACTIVATION_BITS,
    DRIFT,
    HIDDEN,
    LARGEST_ACTIVATION,
    OCTAVES,
    OUTPUTS,
    SCALE_RANGE,
    WEIGHT_BITS,
)


class _Rounded(nn.Linear):
    """A layer whose weights are rounded; their gradients are those of the weights before."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, rounded(self.weight, WEIGHT_BITS), self.bias)


def rounded(x: Tensor, bits: int) -> Tensor:
    """Round to multiples of 2^−bits; the gradient passes unchanged (straight-through estimator, arXiv 1308.3432)."""
    return x + (torch.round(x * 2**bits) / 2**bits - x).detach()


class Network(nn.Module):
    """Predicts pixels from their contexts: a mixture of logistic distributions."""

    def __init__(self, hidden: int = HIDDEN) -> None:
        super().__init__()
        widths = [INPUTS, hidden, hidden, hidden]
        pairs = itertools.pairwise(widths)
        self.hidden = nn.ModuleList(_Rounded(inputs, outputs) for inputs, outputs in pairs)
        self.out = _Rounded(hidden, OUTPUTS)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(P, 303) whole numbers → (P, 80)."""
        x = x / 2**ACTIVATION_BITS
        for layer in self.hidden:
            x = rounded(layer(x).clamp(0, LARGEST_ACTIVATION / 2**ACTIVATION_BITS), ACTIVATION_BITS)
        return torch.as_tensor(self.out(x))


def log_prob(out: Tensor, anchors: Tensor, pixels: Tensor) -> Tensor:
    """Log-probabilities of pixels in nats: outputs (P, 80), anchors (P, 8, 3), pixels (P, 3) in 0…255 → (P,).

    Given a component, green comes first, then red, then blue; the later ones follow the errors of the earlier.
    """
    weights, drift, octaves, slopes = out.reshape(len(out), ANCHORS, 10).split([1, 3, 3, 3], dim=-1)
    mean = anchors + DRIFT * drift
    log_scale = (OCTAVES * octaves).clamp(*SCALE_RANGE) * math.log(2)
    total = F.log_softmax(weights[..., 0], dim=-1)
    red, green, blue = (pixels[:, None, i] for i in range(3))
    mean_green = mean[..., 1]
    mean_red = mean[..., 0] + slopes[..., 0] * (green - mean_green)
    mean_blue = mean[..., 2] + slopes[..., 1] * (green - mean_green) + slopes[..., 2] * (red - mean_red)
    for value, centre, place in ((green, mean_green, 1), (red, mean_red, 0), (blue, mean_blue, 2)):
        total = total + _log_prob(value, centre, log_scale[..., place])
    return torch.logsumexp(total, dim=-1)


def _log_prob(value: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Of a whole number in 0…255 under a logistic distribution, whose tails belong to 0 and 255."""
    inverse = torch.exp(-log_scale)
    upper, lower = inverse * (value + 0.5 - mean), inverse * (value - 0.5 - mean)
    mass = torch.sigmoid(upper) - torch.sigmoid(lower)
    middle = inverse * (value - mean)
    # Far from the mean the mass underflows; the density stands for it.
    thin = middle - log_scale - 2 * F.softplus(middle)
    inside = torch.where(mass > 1e-5, torch.log(mass.clamp(min=1e-5)), thin)
    ends = torch.where(value >= 255, -F.softplus(lower), inside)
    return torch.where(value <= 0, -F.softplus(-upper), ends)
