"""Predictions of the flow on a coarse grid, so that every machine codes with the same.

Floating-point predictions differ between machines in their last bits. Rounding to a grid hides that, but for numbers
next to a boundary between two cells. So the encoder shifts the grid of each token until no number is near one, and says
by how much. An encoder and a decoder whose predictions differ by less than `MARGIN` of a cell round alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .normal import FARTHEST, HIGHEST, LOWEST, QUARTERS, SCALES

MARGIN = 1e-3  # of a cell
SHIFTS = (0.0, 0.125, -0.125, 0.25, -0.25, 0.375, -0.375, 0.5)  # of a cell; exact in binary
# How often each is taken, as the coder assumes: an earlier one does for most tokens.
SHIFT_SHARES = np.array([0.75, 0.18, 0.05, 0.01, 0.004, 0.003, 0.002, 0.001])


class Coarse(NamedTuple):
    """Levels of the scale and centres, as `normal.probabilities` takes them, and how near a boundary any is."""

    levels: np.ndarray
    centres: np.ndarray
    margin: float


def coarse(mean: np.ndarray, scale: np.ndarray, shift: int) -> Coarse:
    """Round one token's prediction (D,), in steps of the quantiser, to the grid of a shift."""
    level = np.clip(QUARTERS * np.log2(scale.astype(np.float64)), LOWEST - 0.25, HIGHEST + 0.25)
    levels, near_level = _rounded(level, SHIFTS[shift])
    levels = np.clip(levels, LOWEST, HIGHEST)
    centre = QUARTERS * mean.astype(np.float64) / SCALES[levels - LOWEST]
    centres, near_centre = _rounded(np.clip(centre, -FARTHEST, FARTHEST), SHIFTS[shift])
    return Coarse(levels, centres, min(near_level, near_centre))


def chosen_shift(mean: np.ndarray, scale: np.ndarray) -> int:
    """Return the first shift that keeps all numbers of a token's prediction (D,) away from boundaries."""
    margins = []
    for shift in range(len(SHIFTS)):
        margins.append(coarse(mean, scale, shift).margin)
        if margins[-1] >= MARGIN:
            return shift
    return int(np.argmax(margins))


def _rounded(values: np.ndarray, shift: float) -> tuple[np.ndarray, float]:
    """Whole numbers, and the least distance of a value from where they change."""
    places = values + (0.5 + shift)
    whole = np.floor(places)
    part = places - whole
    return whole.astype(np.int64), float(np.minimum(part, 1 - part).min())
