"""A Gaussian fitted to a few vectors of many numbers, and the distance of others from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gaussian:
    """A mean and the whitening of a covariance, float64.

    Attributes:
        mean: (F,).
        scale: (F,), the standard deviation of each number.
        whitening: (F, F), W with W·Wᵀ the inverse of the correlations.
    """

    mean: Tensor
    scale: Tensor
    whitening: Tensor

    @classmethod
    def fit(cls, vectors: Tensor) -> Gaussian:
        """The Gaussian of some vectors (N, F), of correlations shrunk towards none.

        The correlations of fewer vectors than numbers cannot be inverted. Shrinking them towards the identity by the
        share that is expected to be best can (Ledoit and Wolf, doi.org/10.1016/S0047-259X(03)00096-4). Numbers that
        never change are left out: their scale is infinite.
        """
        vectors = vectors.double()
        mean, scale = vectors.mean(0), vectors.std(0, correction=0)
        scale = torch.where(scale > 1e-9 * (1 + mean.abs()), scale, torch.inf)
        standard = (vectors - mean) / scale
        correlations = standard.T @ standard / len(vectors)
        share = _shrinkage(standard, correlations)
        eye = torch.eye(len(mean), dtype=torch.float64)
        shrunk = (1 - share) * correlations + share * _level(correlations) * eye
        values, axes = torch.linalg.eigh(shrunk + 1e-9 * eye)
        return cls(mean, scale, (axes * values.rsqrt()).contiguous())

    def distance(self, vectors: Tensor) -> Tensor:
        """The Mahalanobis distance of vectors (…, F), without unit: (…)."""
        return (((vectors.double() - self.mean) / self.scale) @ self.whitening).norm(dim=-1)


def _level(correlations: Tensor) -> float:
    """The mean of the diagonal: 1, less where numbers never change."""
    return float(correlations.diagonal().mean())


def _shrinkage(standard: Tensor, correlations: Tensor) -> float:
    """The share of the identity, from 0 to 1, for which the expected squared error is least."""
    N, F = standard.shape
    target = _level(correlations) * torch.eye(F, dtype=torch.float64)
    spread = float((correlations - target).square().sum())
    squares = standard.square()
    noise = float((squares.T @ squares / N - correlations.square()).sum()) / N
    return min(1.0, noise / spread) if spread > 0 else 1.0
