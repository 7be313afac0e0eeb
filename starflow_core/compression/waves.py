"""The order of pixels: all pixels of a wave are predicted at once, since none lies in the context of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .context import RIGHT


@dataclass(frozen=True)
class Sites:
    """Pixels of tiles, (P,) each: which tile, which row, which column; sorted by wave, then by tile.

    Attributes:
        starts: where each wave begins; one more than there are waves.
    """

    tile: np.ndarray
    row: np.ndarray
    column: np.ndarray
    starts: np.ndarray

    def wave(self, number: int) -> slice:
        return slice(int(self.starts[number]), int(self.starts[number + 1]))

    @property
    def waves(self) -> int:
        return len(self.starts) - 1


def sites(sizes: Sequence[tuple[int, int]]) -> Sites:
    """All pixels of tiles of (height, width)."""
    parts = []
    for tile, (height, width) in enumerate(sizes):
        row, column = (axis.ravel() for axis in np.mgrid[:height, :width])
        parts.append(np.stack([column + row * (RIGHT + 1), np.full(row.shape, tile), row, column]))
    wave, tile_of, row, column = np.concatenate(parts, axis=1)
    order = np.lexsort((row, tile_of, wave))
    _, starts = np.unique(wave[order], return_index=True)  # narrow tiles have none of some numbers
    return Sites(tile_of[order], row[order], column[order], np.append(starts, len(order)))
