"""The ways in which the flow sees a picture: as it is, moved, mirrored, and in other colours."""

from __future__ import annotations

import random

import numpy as np

from . import classes
from .colours import recoloured
from .data import moved
from .held_out import HeldOut
from .subjects import Subject

MOVED, MOVED_IN_COLOUR = 4, 1  # variants
# Pictures of letters, of the hands of clocks and of directions are others in the mirror.
UNMIRRORED_CLASSES = ("sign", "clock", "arrow")
DIRECTIONS = ("left", "right", "leftwards", "rightwards", "east", "west", "clockwise", "anticlockwise")


def variants_of(
    subject: Subject, image: np.ndarray, held_out: HeldOut, rng: random.Random
) -> dict[str | None, list[np.ndarray]]:
    """Variants (H, W, 3) of a picture by the colour that they were given, None for its own; the first is unmoved."""
    variants: dict[str | None, list[np.ndarray]] = {None: _with_moved(image, MOVED, subject, rng)}
    for colour in held_out.colours(subject, image):
        variants[colour] = _with_moved(recoloured(image, colour), MOVED_IN_COLOUR, subject, rng)
    return variants


def may_be_mirrored(subject: Subject) -> bool:
    """Whether a picture's mirror image is still what its name says."""
    directed = any(word in DIRECTIONS for word in subject.name.replace("-", " ").split())
    return not directed and classes.NAMES[classes.label(subject)] not in UNMIRRORED_CLASSES


def _with_moved(image: np.ndarray, count: int, subject: Subject, rng: random.Random) -> list[np.ndarray]:
    mirrored = np.ascontiguousarray(image[:, ::-1]) if may_be_mirrored(subject) else image
    return [image, *(moved(rng.choice((image, mirrored)), rng) for _ in range(count))]
