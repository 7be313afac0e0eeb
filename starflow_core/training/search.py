"""A short search for a learning rate."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

RATES = (3e-4, 6e-4, 1.2e-3, 2.4e-3, 4.8e-3)
DEFAULT = 8e-4  # where there is no time to search
LEAST_STEPS, MOST_STEPS = 12, 60
JUDGED = 3  # the last of so many parts of a search


def search_steps(steps: int) -> int:
    """The steps for each rate, from those of the whole training; 0 where they are too few to search."""
    own = min(MOST_STEPS, steps // (20 * len(RATES)))
    return own if own >= LEAST_STEPS else 0


def best_rate(losses_of: Callable[[float], Sequence[float]]) -> float:
    """The rate with the lowest losses in the last third of a few steps.

    Args:
        losses_of: trains anew at a rate, on the same batches, and returns the losses.
    """

    def judged(rate: float) -> float:
        losses = losses_of(rate)
        last = losses[-max(1, len(losses) // JUDGED) :]
        return statistics.median(last) if all(map(math.isfinite, losses)) else math.inf

    figures = {rate: judged(rate) for rate in RATES}
    lowest: Any = min(figures, key=lambda rate: figures[rate])
    return float(lowest) if math.isfinite(figures[lowest]) else DEFAULT
