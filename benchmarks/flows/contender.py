"""What every flow of the comparison does: it says how many bits it needs for 8-bit pictures."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

SIDE, CHANNELS = 32, 3
DIMENSIONS = CHANNELS * SIDE * SIDE
LEVELS = 256


class Contender(nn.Module, ABC):
    """A flow of 32×32 pictures."""

    @abstractmethod
    def bits_per_dim(self, pictures: np.ndarray) -> Tensor:
        """Bits per dimension (B,) of pictures (B, 32, 32, 3) uint8, with gradients."""


class Continuous(Contender):
    """A flow of real numbers, which sees pictures with uniform noise within their grey levels.

    The bits are an upper bound of those of the 8-bit pictures (Theis et al., arXiv 1511.01844), as all papers on
    such flows report them.
    """

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-likelihoods (B,) in nats of pictures (B, 3, 32, 32) in [−1, 1]."""

    def bits_per_dim(self, pictures: np.ndarray) -> Tensor:
        levels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
        x = (levels + torch.rand_like(levels)) * (2 / LEVELS) - 1
        return math.log2(LEVELS / 2) - self.log_prob(x) / (DIMENSIONS * math.log(2))


def standard_normal(z: Tensor) -> Tensor:
    """Log-densities (B,) of z (B, …)."""
    return -0.5 * (z.square() + math.log(2 * math.pi)).flatten(1).sum(1)


def parameters(model: nn.Module) -> int:
    """Number of weights."""
    return sum(weight.numel() for weight in model.parameters())
