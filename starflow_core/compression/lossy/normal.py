"""Probabilities of whole numbers under normal distributions whose parameters lie on a coarse grid.

All numbers that the coder sees are the same on every machine: the parameters are whole, constants are correctly rounded
or far coarser than rounding errors, and what is done with them is a single operation at a time, as IEEE 754 defines it.
"""

from __future__ import annotations

import math

import numpy as np

QUARTERS = 4  # levels of the scale an octave, and steps of the centre a standard deviation
LOWEST, HIGHEST = -12, 12  # levels of the scale: 1/8 to 8 steps of the quantiser
FARTHEST = 2**16  # quarters of a standard deviation that a centre may lie from zero
REACH = 24  # whole numbers to each side of the centre that have probabilities of their own
ESCAPE = 2 * REACH + 1  # the symbol of all others
SYMBOLS = ESCAPE + 1
FLOOR = 2.0**-20  # no symbol is impossible
END, STEPS = 8, 64  # the table of the distribution function goes from −8 to 8, in steps of 1/64
GRID = 2.0**24  # its entries are multiples of 2⁻²⁴: wider by far than the errors of erf
# A quarter octave, as correctly rounded constants, times a power of two, which is exact.
ROOTS = (1.0, 1.189207115002721, 1.4142135623730951, 1.681792830507429)


def _table() -> np.ndarray:
    places = np.arange(-END * STEPS, END * STEPS + 1) / STEPS
    values = np.array([0.5 * math.erfc(-place / math.sqrt(2)) for place in places])
    return np.round(values * GRID) / GRID


NORMAL = _table()
SCALES = np.array([math.ldexp(ROOTS[level % QUARTERS], level // QUARTERS) for level in range(LOWEST, HIGHEST + 1)])


def nearest(levels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the whole numbers nearest to the centres (P,), from which symbols are counted."""
    return np.floor(centres * SCALES[levels - LOWEST] / QUARTERS + 0.5).astype(np.int64)


def probabilities(levels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the probabilities of all symbols, up to a factor: (P,), (P,) → (P, 50).

    Args:
        levels: of the scale, in quarter octaves above one step of the quantiser.
        centres: of the distribution, in quarters of its standard deviation.
    """
    scales = SCALES[levels - LOWEST]
    edges = nearest(levels, centres)[:, None] + (np.arange(-REACH, REACH + 2) - 0.5)
    cumulative = _distribution(edges / scales[:, None] - centres[:, None] / QUARTERS)
    masses = np.maximum(cumulative[:, 1:] - cumulative[:, :-1], 0) + FLOOR
    return np.concatenate([masses, np.full((len(masses), 1), FLOOR)], axis=1)


def _distribution(places: np.ndarray) -> np.ndarray:
    """The normal distribution function, linear between the entries of its table."""
    at = np.clip((places + END) * STEPS, 0, 2 * END * STEPS)
    start = np.minimum(at.astype(np.int64), 2 * END * STEPS - 1)
    return np.asarray(NORMAL[start] + (at - start) * (NORMAL[start + 1] - NORMAL[start]))
