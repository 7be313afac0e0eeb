"""The distribution of a pixel: a mixture of logistic distributions, one channel after the other.

A flow of one block maps a value to its cumulative probability. The codec uses the differences of that function between
whole grey levels. Only additions, products, quotients and table entries are used, each rounded as IEEE 754 says, in an
order that the code fixes: the numbers are the same everywhere.
"""

from __future__ import annotations

import numpy as np

from .network import DRIFT, EXP_END, LOGISTIC_END, OCTAVES, SCALE_RANGE, SCALE_STEPS, STEPS, Tables

LEVELS = 256
HALF = 16  # a byte is coded as two halves of 16 values
FLOOR = 1e-9  # no value is impossible
RED, GREEN, BLUE = range(3)


class Mixture:
    """Distributions of P pixels.

    Channels come in the order green, red, blue: `observe` tells the value of one before the next is asked for.

    Args:
        out: what the network says, (P, K, 10).
        anchors: (P, K, 3) grey levels.
    """

    def __init__(self, out: np.ndarray, anchors: np.ndarray, tables: Tables) -> None:
        self._tables = tables
        self._mean = anchors + DRIFT * out[..., 1:4]
        octaves = np.clip(OCTAVES * out[..., 4:7], *SCALE_RANGE) - SCALE_RANGE[0]
        self._inverse = tables.inverse_scale[np.floor(octaves * SCALE_STEPS + 0.5).astype(np.int64)]
        self._slopes = out[..., 7:10]
        below = out[..., 0].max(axis=1, keepdims=True) - out[..., 0]
        self._weights = _normalised(tables.exp[np.minimum(np.floor(below * STEPS + 0.5), EXP_END).astype(np.int64)])

    def high(self, channel: int) -> np.ndarray:
        """Probabilities (P, 16) of the high half of a channel's byte."""
        return self._masses(channel, np.arange(HALF + 1)[None] * HALF)

    def low(self, channel: int, high: np.ndarray) -> np.ndarray:
        """Probabilities (P, 16) of the low half, given the high one (P,), up to a factor."""
        return self._masses(channel, high[:, None] * HALF + np.arange(HALF + 1)[None])

    def observe(self, channel: int, value: np.ndarray) -> None:
        """Weigh the components by what they said of a channel's value (P,), and shift what they say of the next."""
        ends = np.stack([value, value + 1], axis=1)
        cumulative = self._cumulative(channel, ends)
        self._weights = _normalised(self._weights * (cumulative[:, :, 1] - cumulative[:, :, 0] + FLOOR))
        error = value[:, None] - self._mean[..., channel]
        if channel == GREEN:
            self._mean[..., RED] += self._slopes[..., 0] * error
            self._mean[..., BLUE] += self._slopes[..., 1] * error
        elif channel == RED:
            self._mean[..., BLUE] += self._slopes[..., 2] * error

    def _masses(self, channel: int, levels: np.ndarray) -> np.ndarray:
        cumulative = self._cumulative(channel, levels)
        total = self._weights[:, 0, None] * cumulative[:, 0]
        for k in range(1, cumulative.shape[1]):  # in this order
            total = total + self._weights[:, k, None] * cumulative[:, k]
        return np.asarray(np.maximum(total[:, 1:] - total[:, :-1], 0) + FLOOR)

    def _cumulative(self, channel: int, levels: np.ndarray) -> np.ndarray:
        """Probability (P, K, L) that a component's value is below levels (P or 1, L) in 0…256."""
        place = (levels - 0.5)[:, None] - self._mean[..., channel, None]
        place *= self._inverse[..., channel, None] * STEPS
        place += LOGISTIC_END
        np.clip(place, 0, 2 * LOGISTIC_END, out=place)
        start = place.astype(np.intp)
        place -= start
        place *= self._tables.logistic_step[start]
        place += self._tables.logistic[start]
        # Only the first and the last level can be at the ends, whose tails belong to the values 0 and 255.
        place[..., 0] *= levels[:, None, 0] > 0
        place[..., -1] = np.where(levels[:, None, -1] < LEVELS, place[..., -1], 1.0)
        return place


def _normalised(weights: np.ndarray) -> np.ndarray:
    total = weights[:, 0]
    for k in range(1, weights.shape[1]):  # in this order
        total = total + weights[:, k]
    return np.asarray(weights / total[:, None])
