"""Seeded noise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

SEEDS = 2**64


def check_seed(seed: int) -> None:
    """Check a seed.

    Raises:
        ValueError: it is not a whole number from 0 to 2⁶⁴ − 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEEDS:
        raise ValueError(f"seed is {seed!r}; it must be a whole number from 0 to {SEEDS - 1}.")


def seeded_noise(shape: Sequence[int], seed: int, count: int) -> Tensor:
    """Standard normal noise (count, *shape), float32, on the CPU.

    Image i has its own generator, seeded with seed + i, so a seed means the same in any batch and on any device. Seeds
    of more than 32 bits are folded into 32, the generator's limit.

    Raises:
        ValueError: the seed is out of range.
    """
    return _drawn(torch.randn, shape, seed, count)


def seeded_uniform(shape: Sequence[int], seed: int, count: int) -> Tensor:
    """Uniform noise in [0, 1), (count, *shape), seeded as in `seeded_noise`."""
    return _drawn(torch.rand, shape, seed, count)


class NoiseStream:
    """Seeded noise in a row, for one picture; its first is that of `seeded_noise`.

    Args:
        shape: of the noise.
        seed: of the row.

    Raises:
        ValueError: the seed is out of range.
    """

    def __init__(self, shape: Sequence[int], seed: int) -> None:
        check_seed(seed)
        self._shape, self._generator = tuple(shape), torch.Generator("cpu").manual_seed(_folded(seed))

    def normal(self) -> Tensor:
        """The next standard normal noise (1, *shape), float32, on the CPU."""
        return torch.randn(1, *self._shape, generator=self._generator, dtype=torch.float32)

    def uniform(self) -> float:
        """The next number in [0, 1)."""
        return float(torch.rand((), generator=self._generator, dtype=torch.float32))


def _drawn(draw: Callable[..., Tensor], shape: Sequence[int], seed: int, count: int) -> Tensor:
    check_seed(seed)
    generator = torch.Generator("cpu")
    images = [
        draw(tuple(shape), generator=generator.manual_seed(_folded((seed + i) % SEEDS)), dtype=torch.float32)
        for i in range(count)
    ]
    return torch.stack(images)


def _folded(seed: int) -> int:
    """A 64-bit seed folded into 32 bits; seeds below 2³² stay the same."""
    high, low = divmod(seed, 2**32)
    if not high:
        return low
    digest = hashlib.blake2b(high.to_bytes(4, "little"), digest_size=4).digest()
    return low ^ int.from_bytes(digest, "little")
