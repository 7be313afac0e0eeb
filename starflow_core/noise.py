"""Noise that a seed stands for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SEEDS = 2**64


def checked_seed(seed: int) -> int:
    """The seed itself.

    Raises:
        ValueError: it is no whole number from 0 to 2⁶⁴ − 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEEDS:
        raise ValueError(f"seed is {seed!r}; it must be a whole number from 0 to {SEEDS - 1}.")
    return seed


def seeded_noise(shape: Sequence[int], seed: int, count: int) -> Tensor:
    """Standard normal noise (count, *shape), float32, on the CPU.

    Image i is drawn from a generator of its own, seeded with seed + i, so that neither batch nor device changes what a
    seed means.

    Raises:
        ValueError: the seed is out of range.
    """
    checked_seed(seed)
    generator = torch.Generator("cpu")
    images = [
        torch.randn(tuple(shape), generator=generator.manual_seed((seed + i) % SEEDS), dtype=torch.float32)
        for i in range(count)
    ]
    return torch.stack(images)
