"""A Gaussian fitted to a few vectors with many entries, and the distance of other vectors from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gaussian:
    """A mean and the whitening of a covariance, float64.

    Attributes:
        mean: (F,).
        scale: (F,), the standard deviation of each entry.
        whitening: (F, F), W; W·Wᵀ is the inverse of the correlation matrix.
    """

    mean: Tensor
    scale: Tensor
    whitening: Tensor

    @classmethod
    def fit(cls, vectors: Tensor) -> Gaussian:
        """Fit a Gaussian to vectors (N, F), with correlations shrunk towards the identity.

        If N < F, the correlation matrix cannot be inverted, but a shrunk one can. The share of the identity minimises
        the expected squared error (Ledoit and Wolf, doi.org/10.1016/S0047-259X(03)00096-4). Entries that never change
        are left out: their scale is infinite.
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
        """Return the Mahalanobis distance (…) of vectors (…, F), without unit."""
        return (((vectors.double() - self.mean) / self.scale) @ self.whitening).norm(dim=-1)


def _level(correlations: Tensor) -> float:
    """Return the mean of the diagonal: 1, or less if some entries never change."""
    return float(correlations.diagonal().mean())


def _shrinkage(standard: Tensor, correlations: Tensor) -> float:
    """Return the share of the identity, from 0 to 1, that minimises the expected squared error."""
    N, F = standard.shape
    target = _level(correlations) * torch.eye(F, dtype=torch.float64)
    spread = float((correlations - target).square().sum())
    squares = standard.square()
    noise = float((squares.T @ squares / N - correlations.square()).sum()) / N
    return min(1.0, noise / spread) if spread > 0 else 1.0
