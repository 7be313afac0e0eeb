"""What the codec's flow sees of a picture when it predicts a pixel: the pixels around it that come earlier."""

from __future__ import annotations

import numpy as np

RADIUS = 5  # rows above, and columns to the left of those rows
RIGHT = 3  # columns to the right of the rows above
BEFORE = 6  # pixels to the left in the pixel's own row
# (rows up, columns to the right) of every pixel in the context; the first is the left neighbour.
OFFSETS = [(0, -x) for x in range(1, BEFORE + 1)] + [
    (y, x) for y in range(1, RADIUS + 1) for x in range(-RADIUS, RIGHT + 1)
]
LEFT, ABOVE, ABOVE_LEFT, ABOVE_RIGHT = (OFFSETS.index(at) for at in ((0, -1), (1, 0), (1, -1), (1, 1)))
OUTSIDE = 255  # pixels beyond the edges count as white, the commonest ground
INPUTS = 6 * (len(OFFSETS) - 1) + 3
ANCHORS = 8  # predictions that components of the mixture start from


def framed(pictures: np.ndarray) -> np.ndarray:
    """Add the edge that contexts reach into: (N, H, W, 3) uint8 → (N, H + 5, 6 + W + 3, 3)."""
    return np.pad(pictures, ((0, 0), (RADIUS, 0), (BEFORE, RIGHT), (0, 0)), constant_values=OUTSIDE)


def contexts(frame: np.ndarray, picture: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Gather the contexts (P, 51, 3) of pixels from framed pictures; each pixel has a picture, a row and a column."""
    height, width = frame.shape[1:3]
    place = (picture.astype(np.int64) * height + row + RADIUS) * width + column + BEFORE
    steps = np.array([x - y * width for y, x in OFFSETS])
    return frame.reshape(-1, 3)[place[:, None] + steps]


def inputs(context: np.ndarray) -> np.ndarray:
    """Return the numbers that the network takes, whole ones in [−128, 127]: (P, 51, 3) → (P, 303) float32.

    They are the differences to the left neighbour, once at half their size and once enlarged, so that equal and nearly
    equal colours are told apart, and that neighbour itself.
    """
    count = len(context)
    left = context[:, LEFT].astype(np.int16)
    change = (context[:, 1:].astype(np.int16) - left[:, None]).reshape(count, -1)
    return np.concatenate([change >> 1, np.clip(change * 8, -127, 127), left - 128], axis=1).astype(np.float32)


def anchors(context: np.ndarray) -> np.ndarray:
    """Return simple predictions of pixels from their contexts: (P, 51, 3) → (P, 8, 3) float64."""
    seen = context.astype(np.float64)
    left, above, corner = seen[:, LEFT], seen[:, ABOVE], seen[:, ABOVE_LEFT]
    plane = np.clip(left + above - corner, 0, 255)
    mean = (left + above) * 0.5
    return np.stack([left, above, corner, seen[:, ABOVE_RIGHT], plane, mean, mean, mean], axis=1)
