"""What a quality means: how coarse the quantiser is, and how much the search weighs the picture against bits."""

from __future__ import annotations

from ..errors import CodecError
from .archive import EIGHTHS, MIDDLE, step_size

BEST = 100
COARSEST, FINEST = 1.5, -2.0  # octaves of the quantiser's step, at qualities of 0 and 100
WEIGHT = 2e-3  # in bits a square grey level, at a step of 1; about what finer steps pay for less error


def settings(quality: float) -> tuple[int, float]:
    """Return the number of the quantiser's step, and the weight of a square grey level in bits.

    Raises:
        CodecError: the quality is not in 0…100.
    """
    if not 0 <= quality <= BEST:
        raise CodecError(f"quality is {quality}; it must be from 0 to {BEST}.")
    octaves = COARSEST + (FINEST - COARSEST) * quality / BEST
    number = MIDDLE + round(octaves * EIGHTHS)
    return number, WEIGHT / step_size(number)
