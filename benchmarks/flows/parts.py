"""Layers that the flows of the literature share: x (B, C, H, W) to y with its log-determinant (B,), and back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Layer(nn.Module, ABC):
    """An invertible layer."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Data → noise: y and log |det dy/dx|."""

    @abstractmethod
    def inverse(self, y: Tensor) -> Tensor:
        """Noise → data."""


class Chain(Layer):
    """Layers one after the other."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers: Any = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        return x, total

    def inverse(self, y: Tensor) -> Tensor:
        for layer in reversed(self.layers):
            y = layer.inverse(y)
        return y


class ActNorm(Layer):
    """A scale and a shift of each channel, set by the first batch (Glow, arXiv 1807.03039)."""

    is_set: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.register_buffer("is_set", torch.tensor(False))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.training and not self.is_set:
            self._set(x.detach())
        log_det = self.log_scale.sum() * x.shape[2] * x.shape[3]
        return (x + self.shift) * self.log_scale.exp(), log_det.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return y * (-self.log_scale).exp() - self.shift

    @torch.no_grad()
    def _set(self, x: Tensor) -> None:
        self.shift.copy_(-x.mean((0, 2, 3), keepdim=True))
        self.log_scale.copy_(-(x.std((0, 2, 3), keepdim=True) + 1e-3).log())
        self.is_set.fill_(True)


class Mix(Layer):
    """A 1×1 convolution that begins as a rotation; its triangular factors give the determinant (arXiv 1807.03039)."""

    permutation: Tensor
    signs: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels))[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.register_buffer("permutation", permutation)
        self.register_buffer("signs", diagonal.sign())
        self.lower, self.upper = nn.Parameter(lower), nn.Parameter(upper)
        self.log_diagonal = nn.Parameter(diagonal.abs().log())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_det = self.log_diagonal.sum() * x.shape[2] * x.shape[3]
        return torch.einsum("ij,bjhw->bihw", self._weight(), x), log_det.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return torch.einsum("ij,bjhw->bihw", self._weight().inverse(), y)

    def _weight(self) -> Tensor:
        one = torch.eye(len(self.signs), device=self.signs.device)
        diagonal = torch.diag(self.signs * self.log_diagonal.exp())
        return self.permutation @ (self.lower.tril(-1) + one) @ (self.upper.triu(1) + diagonal)


class Coupling(Layer):
    """An affine map of the second half of the channels, given the first and what else is known.

    Args:
        channels: of x.
        net: (B, channels − channels // 2 + others, H, W) → (B, 2·(channels // 2), H, W).
    """

    def __init__(self, channels: int, net: nn.Module) -> None:
        super().__init__()
        self.kept, self.net = channels - channels // 2, net

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = x[:, : self.kept], x[:, self.kept :]
        log_scale, shift = self._affine(first)
        return torch.cat([first, second * log_scale.exp() + shift], 1), log_scale.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        first, second = y[:, : self.kept], y[:, self.kept :]
        log_scale, shift = self._affine(first)
        return torch.cat([first, (second - shift) * (-log_scale).exp()], 1)

    def _affine(self, first: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = self.net(first).chunk(2, 1)
        return bounded(log_scale), shift


class Squeeze(Layer):
    """Each square of 2×2 places becomes four channels of one place."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.pixel_unshuffle(x, 2), x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return F.pixel_shuffle(y, 2)


class Convolutions(nn.Sequential):
    """3×3, 1×1 and 3×3 convolutions; the last begins at zero, so that a layer begins as the identity."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        last = nn.Conv2d(hidden, outputs, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(torch.as_tensor(last.bias))
        super().__init__(
            nn.Conv2d(inputs, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, hidden, 1), nn.ReLU(), last
        )


def bounded(log_scale: Tensor) -> Tensor:
    """Log-scales in (−2, 2), so that no layer explodes."""
    return 2 * torch.tanh(log_scale / 2)


def gaussian(x: Tensor, parameters: Tensor) -> Tensor:
    """Log-densities (B,) of x under means and log-scales (B, 2·C, H, W)."""
    mean, log_scale = parameters.chunk(2, 1)
    normal = -0.5 * (((x - mean) * (-log_scale).exp()).square() + math.log(2 * math.pi)) - log_scale
    return normal.flatten(1).sum(1)
