"""Uniform dequantisation of 8-bit pictures (arXiv 1511.01844): integers v become (v + u)/128 − 1, u in [0, 1)."""

from __future__ import annotations

from torch import Tensor

LEVELS = 256
LARGEST = 1 - 2**-15  # a larger u would be rounded into the next step in float32


def quantized(x: Tensor) -> Tensor:
    """The 8-bit values 0 … 255 of pictures in [−1, 1], as floats; −1 is 0 and 1 is 255."""
    return ((x + 1) * ((LEVELS - 1) / 2)).round().clamp(0, LEVELS - 1)


def requantized(x: Tensor) -> Tensor:
    """Samples of a dequantised flow, in [−1, 1), rounded to the values of their 8-bit steps."""
    return ((x + 1) * (LEVELS / 2)).floor().clamp(0, LEVELS - 1) * (2 / (LEVELS - 1)) - 1


def dequantized(x: Tensor, u: Tensor) -> Tensor:
    """Pictures in [−1, 1] spread over their 8-bit steps by u in [0, 1): (v + u)/128 − 1."""
    return (quantized(x) + u.clamp(max=LARGEST)) * (2 / LEVELS) - 1
