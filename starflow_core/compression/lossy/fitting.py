"""Tokens that spend their bits where they help the picture most.

The autoencoder's latents of a picture are not those that it decodes best, nor those that are cheapest to code. So the
encoder looks for better ones by gradient descent on bits + weight · squared error, through the quantiser, the flow's
blocks and the autoencoder's decoder (compare Campos et al., arXiv 1906.01223). It costs the decoder nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...codecs.autoencoder import Autoencoder
from ...flow.flow import Flow
from .prior import Prior
from .tiles import from_tokens, joined, split, to_tokens

RATE = 0.1  # of Adam, in steps of the quantiser, at most that of a step of 1
INVERSIONS = 5  # iterations of each block's inverse
LEVELS = 127.5  # grey levels a unit of the pictures


@dataclass(frozen=True)
class Search:
    """Looks for tokens by gradient descent.

    Attributes:
        flow: whose blocks but the last make the tokens.
        autoencoder: of the flow's latents.
        prior: of the tokens.
        side: of a tile, in latents.
        step: of the quantiser.
        weight: of the squared error: bits a square grey level, which is meaned over channels and summed over pixels.
        iterations: of gradient descent; 0 rounds what the autoencoder says.
    """

    flow: Flow
    autoencoder: Autoencoder
    prior: Prior
    side: int
    step: float
    weight: float
    iterations: int

    def __call__(self, pixels: Tensor, counts: Tensor) -> Iterator[Tensor]:
        """Yield the indices (N, T, D) of a picture's tokens after each iteration, in raster order.

        Args:
            pixels: (3, H, W) in [−1, 1], sides multiples of a tile's.
            counts: (H, W), 1 where the picture is to be kept, 0 elsewhere.
        """
        latents = self.autoencoder.encode(pixels[None]).to(self.flow.device, torch.float32)
        tokens = to_tokens(self.flow, split(latents[0], self.side)).detach().clone().requires_grad_(True)
        rate = RATE * min(self.step, 1.0)
        optimizer = torch.optim.Adam([tokens], lr=rate)
        for done in range(self.iterations):
            yield self._indices(tokens)
            optimizer.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * done / self.iterations)) / 2
            optimizer.zero_grad()
            self._loss(tokens, pixels, counts).backward()
            optimizer.step()
        yield self._indices(tokens)

    def _loss(self, tokens: Tensor, pixels: Tensor, counts: Tensor) -> Tensor:
        """Bits and weighted error of the quantised tokens, whose gradient is taken as that of the tokens."""
        quantised = tokens + (self._indices(tokens) * self.step - tokens).detach()
        tiles = from_tokens(self.flow, quantised, self.prior.grid, INVERSIONS)
        columns = pixels.shape[-1] // (self.side * self.autoencoder.config.factor)
        drawn = self.autoencoder.decode(joined(tiles, columns)[None], tile=None)[0]
        error = ((drawn - pixels.to(drawn)) * LEVELS).square().mean(0) * counts.to(drawn)
        return self.prior.bits(quantised, self.step).sum() + self.weight * error.sum()

    def _indices(self, tokens: Tensor) -> Tensor:
        return (tokens.detach() / self.step).round()
