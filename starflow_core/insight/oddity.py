"""How odd a picture is, and what all scorers of odd pictures share: settings, normal pictures, and p-values."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from ..flow.noise import check_seed
from ..images import AnyImage, as_rgb
from ..progress import OnProgress
from .evaluation import pictures_in
from .tiles import Tiles

if TYPE_CHECKING:
    from ..pipeline import Pipeline

LEAST_PICTURES = 8
LARGE = 1.5  # times the model's size; pictures from this size on are scored tile by tile
MOST = 1e6  # the largest score

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """How pictures are scored; the settings are the same for fitting and for scoring.

    Attributes:
        prompt: what all pictures show; "" for anything.
        draws: the number of noise draws to average over.
        seed: the seed of the first draw; draw i has seed + i.
        tiled: whether pictures keep their resolution and are scored tile by tile; otherwise they are scaled to the
            model's size.
        false_positive_rate: share of normal pictures that may be called odd.

    Raises:
        ValueError: a value is out of range.
    """

    prompt: str = ""
    draws: int = 2
    seed: int = 0
    tiled: bool = False
    false_positive_rate: float = 0.05

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if type(self.draws) is not int or not 1 <= self.draws <= 256:
            raise ValueError(f"draws is {self.draws!r}; it must be a whole number from 1 to 256.")
        if not 0 < self.false_positive_rate < 1:
            raise ValueError(f"false_positive_rate is {self.false_positive_rate!r}; it must be between 0 and 1.")


@dataclass(frozen=True)
class Oddity:
    """How odd a picture is.

    Attributes:
        score: of the oddest tile; each scorer says what it counts. Larger is odder. It is at most a million, which
            stands for numbers that overflow.
        p_value: the share of normal pictures that are at least as odd, estimated as (1 + k)/(1 + n): of n normal
            pictures, each scored by a fit on others, k are at least as odd.
        is_odd: whether the p-value is at most the false-positive rate.
        map: (h, w), of the whole picture: by how many standard deviations each place is odder than in normal pictures.
        parts: tile by tile, how odd the oddest place, the oddest tile and the whole are, in standard deviations above
            the mean of normal pictures; empty elsewhere.
    """

    score: float
    p_value: float
    is_odd: bool
    map: Tensor
    parts: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, scores: Tensor, above: Tensor, tiles: Tiles, calibration: Tensor, settings: Settings) -> Oddity:
        """The oddity of a picture.

        Args:
            scores: (N,), of its tiles.
            above: (N, h, w), their maps.
            tiles: the tiles.
            calibration: (n,), ascending, the scores of normal pictures.
            settings: of the scorer.
        """
        score = float(bounded(scores).max())
        odder = len(calibration) - int(torch.searchsorted(calibration, score))
        p_value = (1 + odder) / (1 + len(calibration))
        return cls(score, p_value, p_value <= settings.false_positive_rate, tiles.joined(list(bounded(above).float())))


def bounded(values: Tensor) -> Tensor:
    """Scores or maps with `MOST` in place of larger numbers and of those that overflow."""
    return values.nan_to_num(MOST, MOST).clamp(max=MOST)


def given_pictures(images: os.PathLike[str] | str | Sequence[AnyImage]) -> Sequence[AnyImage]:
    """Pictures, or those of a folder."""
    return pictures_in(Path(images)) if isinstance(images, (str, os.PathLike)) else list(images)


def tiles_of(pipeline: Pipeline, image: AnyImage, settings: Settings) -> Tiles:
    """The tiles of a picture that a model looks at.

    Raises:
        ValueError: the picture cannot be read.
    """
    return Tiles.of(as_rgb(image), pipeline.trained_side, scaled=not settings.tiled)


def are_large(images: Sequence[AnyImage], side: int) -> bool:
    """Whether most of the first pictures are much larger than the pictures of the model."""
    return statistics.median([_shorter_side(image) for image in images[:16]] or [0]) >= LARGE * side


def _shorter_side(image: AnyImage) -> int:
    """Return the shorter side, in pixels; 0 for a picture that cannot be read, which is reported later."""
    try:
        return min(as_rgb(image).size)
    except ValueError:
        return 0


def seen_normal(
    images: Sequence[AnyImage],
    look: Callable[[AnyImage], T],
    failed: Callable[[str], None],
    on_progress: OnProgress,
) -> list[T]:
    """Look at normal pictures; call `failed` with an error message for each picture that is left out.

    Raises:
        ValueError: too few pictures are left.
    """
    seen: list[T] = []
    for place, image in enumerate(images):
        try:
            seen.append(look(image))
        except ValueError as error:
            failed(str(error))
        on_progress(place + 1, len(images))
    if len(seen) < LEAST_PICTURES:
        count = f"{len(seen)} picture{'s' * (len(seen) != 1)}"
        raise ValueError(f"{count} cannot show what is normal; give {LEAST_PICTURES} at least, better some hundreds.")
    return seen


def checked_finite(values: Tensor, image: AnyImage) -> None:
    """Check what is measured of a normal picture.

    Raises:
        ValueError: a number overflows.
    """
    if not values.isfinite().all():
        named = image if isinstance(image, (str, os.PathLike)) else "A picture"
        raise ValueError(f"{named} is too unlike those that the model knows to count as normal: its noise overflows.")


def spread_by_place(maps: Tensor) -> Tensor:
    """Mean and standard deviation (2, h, w) of the maps (N, h, w) of normal tiles.

    Raises:
        ValueError: all pictures are the same.
    """
    if not maps.std(0).max() > 0:
        raise ValueError("All of these pictures are the same; give different ones, to show how normal ones differ.")
    return torch.stack([maps.mean(0), maps.std(0).clamp(min=1e-6)])
