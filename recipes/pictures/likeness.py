"""How alike pictures are: the distance of their small versions, relative to how much is drawn on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

SMALL = 16  # side of the small versions
# Pictures within these relative distances count as one. Copies are at 0, pictures that share nothing at about 1.4.
ALIKE = 0.12  # such as emoji that one set traced from another, or faces of a set that differ in the mouth
SAME = 0.04  # such pictures cannot be told apart
ROWS = 1024  # vectors that are compared at once


def small(pictures: np.ndarray) -> np.ndarray:
    """Average pictures (N, S, S, 3) uint8 on white over squares: (N, 3 × SMALL²) float32, 0 for white."""
    vectors = np.empty((len(pictures), 3 * SMALL**2), np.float32)
    for vector, picture in zip(vectors, pictures, strict=True):
        vector[:] = np.asarray(Image.fromarray(picture).reduce(picture.shape[0] // SMALL)).ravel()
    return 255 - vectors


def mirrored(vectors: np.ndarray) -> np.ndarray:
    """The small versions of the mirror images."""
    return np.ascontiguousarray(vectors.reshape(-1, SMALL, SMALL, 3)[:, :, ::-1]).reshape(vectors.shape)


def alike(some: np.ndarray, others: np.ndarray, distance: float = ALIKE) -> Iterator[tuple[int, int]]:
    """Yield the places (i, j) of pairs from `some` and `others` within a relative distance of each other.

    The relative distance of vectors a and b is |a − b| / √(|a| |b|), with 0 for white.
    """
    squares, norms = (others**2).sum(1), np.linalg.norm(others, axis=1)
    for start in range(0, len(some), ROWS):
        rows = some[start : start + ROWS]
        gaps = (rows**2).sum(1)[:, None] + squares - 2 * rows @ others.T
        limits = distance**2 * np.linalg.norm(rows, axis=1)[:, None] * norms
        for i, j in zip(*np.nonzero(gaps <= limits), strict=True):
            yield start + int(i), int(j)


def first_of_each(vectors: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return which pictures (N,) to keep: those that do not repeat an earlier kept picture.

    A picture repeats another if they are alike and have the same name, or if they cannot be told apart.
    """
    same = set(alike(vectors, vectors, SAME))
    kept = np.ones(len(vectors), bool)
    for i, j in sorted(alike(vectors, vectors)):
        if j < i and kept[j] and (names[i] == names[j] or (i, j) in same):
            kept[i] = False
    return kept
