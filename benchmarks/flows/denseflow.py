"""A small flow like DenseFlow (Grcić et al., arXiv 2106.04627): noise is added between units, so that they widen.

The noise comes from a distribution given all earlier units (cross-unit coupling), and its log-density is taken off. So
the bits are a bound in one more way than by dequantisation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .contender import CHANNELS, Continuous, standard_normal
from .parts import ActNorm, Chain, Convolutions, Coupling, Layer, Mix, Squeeze, gaussian

LEVELS = 3
UNITS, STEPS = 2, 3  # units a level, couplings a unit
GROWTH = (6, 12, 12)  # channels of noise that come before each unit of a level but its first
HIDDEN, WIDTH = 64, 32


class Dense(nn.Module):
    """Convolutions each of which sees the outputs of all before it (DenseNet, arXiv 1608.06993)."""

    def __init__(self, inputs: int, outputs: int, growth: int = WIDTH, layers: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(inputs + i * growth, growth, 3, padding=1) for i in range(layers))
        self.last = nn.Conv2d(inputs + layers * growth, outputs, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(torch.as_tensor(self.last.bias))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x).relu()], 1)
        out: Tensor = self.last(x)
        return out


def unit(channels: int) -> Chain:
    """Couplings with dense networks."""
    layers: list[Layer] = []
    for _ in range(STEPS):
        net = Dense(channels - channels // 2, 2 * (channels // 2))
        layers += [ActNorm(channels), Mix(channels), Coupling(channels, net)]
    return Chain(layers)


class Level(nn.Module):
    """Units with noise before each but the first."""

    def __init__(self, channels: int, growth: int, units: int) -> None:
        super().__init__()
        self.growth = growth
        self.units, self.noises = nn.ModuleList(), nn.ModuleList()
        for i in range(units):
            if i:
                self.noises.append(Convolutions(channels, HIDDEN, 2 * growth))
                channels += growth
            self.units.append(unit(channels))
        self.channels = channels

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x → y with more channels, and the gain of its log-likelihood in expectation."""
        x, total = self.units[0](x)
        for noises, layers in zip(self.noises, list(self.units)[1:], strict=True):
            parameters = noises(x)
            mean, log_scale = parameters.chunk(2, 1)
            noise = mean + log_scale.exp() * torch.randn_like(mean)
            total = total - gaussian(noise, parameters)
            x, log_det = layers(torch.cat([x, noise], 1))
            total = total + log_det
        return x, total


class DenseFlow(Continuous):
    """Three levels; after each but the last, half of the channels are noise, predicted from the other half."""

    def __init__(self, levels: int = LEVELS, units: int = UNITS) -> None:
        super().__init__()
        self.levels, self.priors = nn.ModuleList(), nn.ModuleList()
        channels = CHANNELS
        self.squeeze = Squeeze()
        for i in range(levels):
            level = Level(4 * channels, GROWTH[i], units)
            self.levels.append(level)
            channels = level.channels
            if i < levels - 1:
                kept = channels // 2
                self.priors.append(Convolutions(kept, HIDDEN, 2 * (channels - kept)))
                channels = kept

    def log_prob(self, x: Tensor) -> Tensor:
        """A lower bound in expectation."""
        total = x.new_zeros(len(x))
        for i, level in enumerate(self.levels):
            x, gain = level(self.squeeze(x)[0])
            total = total + gain
            if i < len(self.priors):
                kept = x.shape[1] // 2
                x, out = x[:, :kept], x[:, kept:]
                total = total + gaussian(out, self.priors[i](x))
        return total + standard_normal(x)
