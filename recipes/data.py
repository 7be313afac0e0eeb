"""The pictures that a model learns, and those that it never sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from .config import Config
from .pictures import held_out, picture
from .pictures.held_out import HeldOut
from .pictures.picture import Picture, Pictures
from .pictures.samples import Samples, Settings


@dataclass(frozen=True)
class Data:
    """All pictures, at the size of a model, and the places of some of them.

    Attributes:
        pictures: N rows, images (N, S, S, 3) and alphas (N, S, S).
        held_out: what is kept from training.
        trained: places of the pictures to train on.
        unseen: places of held-out pictures of trained names.
        unknown: places of pictures whose names are held out.
    """

    pictures: Pictures
    held_out: HeldOut
    trained: np.ndarray
    unseen: np.ndarray
    unknown: np.ndarray

    @property
    def shuffled_unseen(self) -> np.ndarray:
        """`unseen` in a random order that is always the same; figures are measured on the first of them."""
        return np.random.default_rng(0).permutation(self.unseen)

    def samples(self, seed: int, **shares: Any) -> Samples:
        """Return random samples of the pictures to train on; `shares` override defaults of `Settings`."""
        return Samples(self.pictures, self.held_out, Settings(**shares), seed, self.trained)

    def watched(self, number: int) -> np.ndarray:
        """Return places of held-out pictures for a figure in a log: of trained names if there are any, or of others."""
        return some(self.unseen if len(self.unseen) else self.unknown, number)

    def rows(self, places: np.ndarray) -> list[Picture]:
        return [self.pictures.rows[place] for place in places]

    def images(self, places: np.ndarray) -> np.ndarray:
        """Pictures (n, S, S, 3) uint8."""
        return np.stack([self.pictures.images[place] for place in places])


def load(config: Config, side: int | None = None) -> Data:
    """Load the pictures that `python -m recipes.pictures.prepare` made, at the configuration's size or another.

    Raises:
        SystemExit: that command has not run yet.
    """
    try:
        pictures = picture.load(config.folder)
    except FileNotFoundError as error:
        raise SystemExit(str(error)) from None
    left_out = HeldOut.load(config.held_out)
    trained, out = held_out.split(pictures, left_out)  # at full size, so that it is the same at every size
    pictures = scaled(pictures, side or config.data["image_size"])
    unseen = [place for place in out if pictures.rows[place].id in left_out.pictures]
    unknown = [place for place in out if pictures.rows[place].name in left_out.names]
    return Data(pictures, left_out, trained, np.array(unseen, int), np.array(unknown, int))


def scaled(pictures: Pictures, side: int) -> Pictures:
    """Scale pictures to a side that divides theirs."""
    if pictures.images.shape[1] == side:
        return pictures

    def small(plane: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(plane).resize((side, side), Image.Resampling.BOX))

    return Pictures(
        pictures.rows,
        np.stack([small(image) for image in pictures.images]),
        np.stack([small(alpha) for alpha in pictures.alpha]),
    )


def some(places: np.ndarray, number: int, seed: int = 0) -> np.ndarray:
    """Choose at most `number` of the places; the choice is always the same."""
    chosen = np.random.default_rng(seed).permutation(places)[:number]
    return np.sort(chosen)
