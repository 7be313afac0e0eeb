"""How alike pictures are: the distance of their small versions, relative to how much is drawn on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

SMALL = 16  # side of the small versions
# Relative distances up to which two pictures are one: 0 for copies, about 1.4 for pictures that share nothing.
ALIKE = 0.12  # emoji of two sets that were traced from each other; faces of one set that differ by a mouth
SAME = 0.04  # nothing to tell apart
ROWS = 1024  # compared at once


def small(pictures: np.ndarray) -> np.ndarray:
    """Pictures (N, S, S, 3) uint8 on white as averages over squares, 0 for white: (N, 3 × SMALL²) float32."""
    vectors = np.empty((len(pictures), 3 * SMALL**2), np.float32)
    for vector, picture in zip(vectors, pictures, strict=True):
        vector[:] = np.asarray(Image.fromarray(picture).reduce(picture.shape[0] // SMALL)).ravel()
    return 255 - vectors


def mirrored(vectors: np.ndarray) -> np.ndarray:
    """The small versions of the mirror images."""
    return np.ascontiguousarray(vectors.reshape(-1, SMALL, SMALL, 3)[:, :, ::-1]).reshape(vectors.shape)


def alike(some: np.ndarray, others: np.ndarray, distance: float = ALIKE) -> Iterator[tuple[int, int]]:
    """The places (i, j) of pairs of `some` and `others` that are no further apart than a relative distance.

    It is |a − b| / √(|a| |b|), for a and b with 0 for white.
    """
    squares, norms = (others**2).sum(1), np.linalg.norm(others, axis=1)
    for start in range(0, len(some), ROWS):
        rows = some[start : start + ROWS]
        gaps = (rows**2).sum(1)[:, None] + squares - 2 * rows @ others.T
        limits = distance**2 * np.linalg.norm(rows, axis=1)[:, None] * norms
        for i, j in zip(*np.nonzero(gaps <= limits), strict=True):
            yield start + int(i), int(j)


def first_of_each(vectors: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Which pictures (N,) are not like one before them that is kept: one of the same name, or the very same picture."""
    same = set(alike(vectors, vectors, SAME))
    kept = np.ones(len(vectors), bool)
    for i, j in sorted(alike(vectors, vectors)):
        if j < i and kept[j] and (names[i] == names[j] or (i, j) in same):
            kept[i] = False
    return kept
