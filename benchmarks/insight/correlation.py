"""Rank correlation with its confidence interval."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

RESAMPLED = 2000  # times, for the confidence intervals


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation, with the ends of its 95 % confidence interval from resampled pictures."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def spearman(first: Tensor, second: Tensor) -> float:
    """Spearman's rank correlation of numbers (n,); equal numbers get their mean rank."""
    one, other = ranks(first), ranks(second)
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / (one.norm() * other.norm()))


def ranks(values: Tensor) -> Tensor:
    """The ranks (n,) of numbers, from 0; equal numbers get the mean of theirs."""
    _, place, count = values.double().unique(return_inverse=True, return_counts=True)
    last = count.cumsum(0).double()
    return (last - (count + 1) / 2)[place]


def correlation(first: Tensor, second: Tensor) -> Correlation:
    """The rank correlation over pictures."""
    generator = torch.Generator().manual_seed(0)
    again = [
        spearman(first[chosen], second[chosen])
        for chosen in (torch.randint(len(first), (len(first),), generator=generator) for _ in range(RESAMPLED))
    ]
    low, high = torch.tensor(again).quantile(torch.tensor([0.025, 0.975])).tolist()
    return Correlation(spearman(first, second), low, high)


def mean_correlation(first: Tensor, second: Tensor) -> Correlation:
    """The mean, over pictures, of the rank correlation over the places of each; numbers are (n, T)."""
    each = torch.tensor([spearman(*pair) for pair in zip(first, second, strict=True)])
    generator = torch.Generator().manual_seed(0)
    means = torch.stack(
        [each[torch.randint(len(each), (len(each),), generator=generator)].mean() for _ in range(RESAMPLED)]
    )
    low, high = means.quantile(torch.tensor([0.025, 0.975])).tolist()
    return Correlation(float(each.mean()), low, high)
