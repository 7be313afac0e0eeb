"""Endless random samples of pictures with captions, on which the embedded models are trained."""

from __future__ import annotations

import random
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from . import captions, colours
from .captions import Shown
from .held_out import HeldOut, can_be_given, split
from .layer import LIGHTNESS, Layer, beside, inked, light, placed
from .picture import CLEAR, Picture, Pictures
from .table import sets
from .words import words

DIRECTED = words("directed")  # words in names of pictures whose mirror image shows something else
MIN_CONTRAST = 50  # least difference in lightness between a picture and its background, of 255
INKED = ("icon",)  # groups whose pictures have black outlines, whatever fills them


@dataclass(frozen=True)
class Settings:
    """The shares of pictures that are changed, and the sizes of the changes."""

    recoloured: float = 0.2  # of the pictures that can be recoloured
    papered: float = 0.15  # put on a background other than white, of the pictures with a clear background
    paired: float = 0.08  # set beside another picture
    moved: float = 0.3
    mirrored: float = 0.25
    scale: tuple[float, float] = (0.8, 1.05)
    shift: float = 0.05  # as a share of the side


class Samples:
    """Draws pictures that are not held out, changes them and captions them; equal seeds give equal draws.

    Args:
        pictures: all pictures.
        held_out: what is never drawn, and never named in a caption.
        settings: the shares of the changes.
        seed: the seed of the draws.
        places: the places of the pictures to draw from, if `held_out.split` has already returned them.
    """

    def __init__(
        self,
        pictures: Pictures,
        held_out: HeldOut,
        settings: Settings | None = None,
        seed: int = 0,
        places: np.ndarray | None = None,
    ) -> None:
        self.pictures, self.held_out, self.settings = pictures, held_out, settings or Settings()
        self.rng = random.Random(seed)
        self.places = split(pictures, held_out)[0] if places is None else places
        if not len(self.places):
            raise ValueError("There is no picture to train on: all of them are held out.")
        self._until = list(accumulate(_weight(pictures.rows[place]) for place in self.places))

    def draw(self, number: int) -> tuple[np.ndarray, list[str]]:
        """Draw pictures (number, S, S, 3) uint8, each with a caption."""
        side = self.pictures.images.shape[1]
        images = np.empty((number, side, side, 3), np.uint8)
        said = []
        for place in range(number):
            images[place], text = self._one()
            said.append(text)
        return images, said

    def _one(self) -> tuple[np.ndarray, str]:
        return self.at(self._place())

    def at(self, place: int) -> tuple[np.ndarray, str]:
        """Return the picture at a place, changed at random, and its caption."""
        rng = self.rng
        row = self.pictures.rows[place]
        other = self._other(row) if row.background == CLEAR and rng.random() < self.settings.paired else None
        if other is None:
            paper = self._paper(place)
            shown, layer = self._shown(place, paper)
            layer = self._moved(layer, row)
            said = captions.caption(shown, rng, self.held_out.names)
        else:
            paper = self._paper(place, other)
            (left, one), (right, two) = self._shown(place, paper), self._shown(other, paper)
            layer = beside(one, two)
            said = captions.pair(left, right, paper, rng)
        return layer.on(colours.PAPERS[paper or "white"]), said

    def _place(self) -> int:
        at = bisect(self._until, self.rng.random() * self._until[-1])
        return int(self.places[min(at, len(self.places) - 1)])

    def _other(self, row: Picture) -> int | None:
        """Draw the place of a picture with another name, to stand beside this one; None if a few tries find none."""
        for _ in range(8):
            place = self._place()
            other = self.pictures.rows[place]
            if other.background == CLEAR and other.name != row.name and "avatar" not in (other.group, row.group):
                return place
        return None

    def _paper(self, *places: int) -> str | None:
        """A background from which all of the pictures stand out; None for white."""
        rows = [self.pictures.rows[place] for place in places]
        if any(row.background != CLEAR for row in rows) or self.rng.random() >= self.settings.papered:
            return None
        papers = [paper for paper in colours.PAPERS if all(self._stands_out(place, paper) for place in places)]
        return self.rng.choice(papers) if papers else None

    def _stands_out(self, place: int, paper: str) -> bool:
        row = self.pictures.rows[place]
        if row.group == "glyph":  # its colour is chosen after the background
            return paper != "white"
        own = 0.0 if row.group in INKED else light(self.pictures.images[place], self.pictures.alpha[place])
        away = abs(float(np.dot(LIGHTNESS, colours.PAPERS[paper])) - own)
        return paper not in ("white", row.colour) and away >= MIN_CONTRAST

    def _shown(self, place: int, paper: str | None) -> tuple[Shown, Layer]:
        """Return a picture, in its own colour or in a new one."""
        row = self.pictures.rows[place]
        layer = Layer(self.pictures.images[place], self.pictures.alpha[place])
        colour = self._colour(row, paper)
        if colour is None:
            return Shown(row, None, paper), layer
        if row.group == "glyph":
            return Shown(row, colour, paper), inked(layer, colours.INKS[colour])
        assert row.hue is not None  # otherwise `can_be_given` returns no colour
        turned = colours.turned(np.asarray(layer.image), colours.HUES[colour] - row.hue)
        return Shown(row, colour, paper), Layer(turned, layer.alpha)

    def _colour(self, row: Picture, paper: str | None) -> str | None:
        """Choose a new colour for a picture; None if it keeps its own."""
        always = row.group == "glyph"
        if not always and (row.hue is None or self.rng.random() >= self.settings.recoloured):
            return None
        choices = [
            colour
            for colour in can_be_given(row)
            if self.held_out.allows(row.name, colour)
            and (_stand_apart(colour, paper) if always else colour not in (paper, row.colour))
        ]
        return self.rng.choice(choices) if choices else None

    def _moved(self, layer: Layer, row: Picture) -> Layer:
        settings, rng = self.settings, self.rng
        if rng.random() < settings.mirrored and may_be_mirrored(row):
            layer = layer.mapped(lambda plane: plane[:, ::-1])
        if row.background == CLEAR and rng.random() < settings.moved:
            side = layer.alpha.shape[0]
            scale, shift = rng.uniform(*settings.scale), settings.shift * side
            layer = placed(layer, scale, side / 2 + rng.uniform(-shift, shift), side / 2 + rng.uniform(-shift, shift))
        return layer


def may_be_mirrored(row: Picture) -> bool:
    """Whether a picture's mirror image is still what its name says."""
    return DIRECTED.isdisjoint(row.name.replace("-", " ").split())


def _stand_apart(ink: str, paper: str | None) -> bool:
    """Whether a glyph in one colour can be seen on another, or on white."""
    one, other = colours.INKS[ink], colours.PAPERS[paper or "white"]
    return float(np.abs(np.subtract(one, other)).max()) >= 2 * MIN_CONTRAST


def _weight(row: Picture) -> float:
    picture_set = sets().get(row.set)
    return picture_set.weight if picture_set else 1.0
