"""A small flow like MaCow (Ma et al., arXiv 1902.04208): autoregressive within small windows of masked convolutions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .contender import CHANNELS, Continuous, standard_normal
from .parts import ActNorm, Chain, Convolutions, Coupling, Layer, Mix, Squeeze, bounded, gaussian

ROWS, COLUMNS = 2, 3  # of the window above a pixel, and columns to its left in its own row
LEVELS = 3
STEPS = 2  # a level
HIDDEN, MASKED_HIDDEN = 64, 48
TURNS = (0, 2, 1, 3)  # quarter turns: windows above, below, and to both sides


class MaskedConvolution(Layer):
    """An affine map of each pixel, given a window of those above it and to its left, once the picture is turned.

    Args:
        channels: of x.
        turn: quarter turns.
    """

    mask: Tensor

    def __init__(self, channels: int, turn: int) -> None:
        super().__init__()
        self.turn = turn
        self.first = nn.Conv2d(channels, MASKED_HIDDEN, (ROWS + 1, 2 * COLUMNS + 1))
        self.last = nn.Conv2d(MASKED_HIDDEN, 2 * channels, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(torch.as_tensor(self.last.bias))
        mask = torch.ones(ROWS + 1, 2 * COLUMNS + 1)
        mask[-1, COLUMNS:] = 0
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.rot90(self.turn, (2, 3))
        log_scale, shift = self._affine(x)
        return (x * log_scale.exp() + shift).rot90(-self.turn, (2, 3)), log_scale.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """Pixel by pixel."""
        y = y.rot90(self.turn, (2, 3))
        x = torch.zeros_like(y)
        for row in range(y.shape[2]):
            for column in range(y.shape[3]):
                log_scale, shift = self._affine(x)
                here = (..., row, column)
                x[here] = (y[here] - shift[here]) * (-log_scale[here]).exp()
        return x.rot90(-self.turn, (2, 3))

    def _affine(self, x: Tensor) -> tuple[Tensor, Tensor]:
        padded = F.pad(x, (COLUMNS, COLUMNS, ROWS, 0))
        hidden = F.elu(F.conv2d(padded, self.first.weight * self.mask, self.first.bias))
        log_scale, shift = self.last(hidden).chunk(2, 1)
        return bounded(log_scale), shift


def step(channels: int) -> list[Layer]:
    """Masked convolutions in all directions, then a coupling."""
    masked: list[Layer] = []
    for i, turn in enumerate(TURNS):
        masked += [ActNorm(channels)] * (i % 2 == 0) + [MaskedConvolution(channels, turn)]
    net = Convolutions(channels - channels // 2, HIDDEN, 2 * (channels // 2))
    return [*masked, ActNorm(channels), Mix(channels), Coupling(channels, net)]


class MaCow(Continuous):
    """Three levels; after each but the last, half of the channels are noise, predicted from the other half."""

    def __init__(self, levels: int = LEVELS, steps: int = STEPS) -> None:
        super().__init__()
        self.levels, self.priors = nn.ModuleList(), nn.ModuleList()
        channels = CHANNELS
        for level in range(levels):
            channels *= 4
            self.levels.append(Chain([Squeeze(), *(layer for _ in range(steps) for layer in step(channels))]))
            if level < levels - 1:
                channels //= 2
                self.priors.append(Convolutions(channels, HIDDEN, 2 * channels))

    def log_prob(self, x: Tensor) -> Tensor:
        total = x.new_zeros(len(x))
        for level, layers in enumerate(self.levels):
            x, log_det = layers(x)
            total = total + log_det
            if level < len(self.priors):
                x, out = x.chunk(2, 1)
                total = total + gaussian(out, self.priors[level](x))
        return total + standard_normal(x)
