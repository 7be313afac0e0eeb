"""The block-wise Jacobi of the published code, for comparison with ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from starflow_core.flow.predictor import Predictor


@dataclass(frozen=True)
class PublishedJacobi:
    """Chunks one after the other, each iterated from the noise until the mean square of its change is small.

    Attributes:
        block_size: tokens a chunk.
        tolerance: bound on mean((x_new − x)²) / mean(x_new²), the published stopping rule.
        max_iterations: iterations after which a chunk is accepted as it is.
    """

    block_size: int = 16
    tolerance: float = 1e-3
    max_iterations: int = 32

    def invert(self, predictor: Predictor, z: Tensor) -> Iterator[tuple[int, Tensor]]:
        contexts, x, free = predictor.start(z)
        T = x.shape[1]
        for start in range(free, T, self.block_size):
            end = min(T, start + self.block_size)
            for _ in range(self.max_iterations):
                predictor.rollback(start - free)  # what the last iteration read stays, though not quite up to date
                mean, scale = predictor.predict(contexts[:, start - free : end - free])
                new = torch.addcmul(mean, scale, z[:, start:end])
                change = (new - x[:, start:end]).square().mean() / new.square().mean()
                x[:, start:end] = new
                if change < self.tolerance:
                    break
            yield end, x
