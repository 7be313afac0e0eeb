"""Splits a picture into squares of a model's size, and joins maps of the squares to one of the whole picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from ..codecs.tiling import starts


@dataclass(frozen=True)
class Tiles:
    """Squares that cover a picture, and overlap.

    Attributes:
        image: the picture, RGB, after any scaling.
        places: left and top of each square, in pixels.
        side: the side of the squares, in pixels.
    """

    image: Image.Image
    places: tuple[tuple[int, int], ...]
    side: int

    @classmethod
    def of(cls, image: Image.Image, side: int, *, scaled: bool) -> Tiles:
        """Split a picture into squares.

        Args:
            image: the picture, RGB.
            side: the side of the squares, in pixels.
            scaled: whether to scale the picture first, so that its shorter side is the side of a square; a smaller
                picture is always scaled.
        """
        size = _looked_at(image.size, side, scaled)
        if size != image.size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        return cls(image, _places(size, side), side)

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Image.Image]:
        for left, top in self.places:
            yield self.image.crop((left, top, left + self.side, top + self.side))

    def joined(self, maps: Sequence[Tensor]) -> Tensor:
        """Join the maps of the squares, (h, w) each, to a map of the picture; take the mean where they overlap."""
        cell = self.side // maps[0].shape[0]  # pixels
        total = torch.zeros(-(-self.image.height // cell), -(-self.image.width // cell))
        count = torch.zeros_like(total)
        for (left, top), one in zip(self.places, maps, strict=True):
            h, w = one.shape
            y, x = min(round(top / cell), total.shape[0] - h), min(round(left / cell), total.shape[1] - w)
            total[y : y + h, x : x + w] += one
            count[y : y + h, x : x + w] += 1
        return total / count.clamp(min=1)


def _looked_at(size: tuple[int, int], side: int, scaled: bool) -> tuple[int, int]:
    """Return the width and height that a picture is scaled to; arguments as for `Tiles.of`."""
    shorter = min(size)
    if shorter >= side and not (scaled and shorter > side):
        return size
    width, height = (max(side, round(length * side / shorter)) for length in size)
    return width, height


def count(size: tuple[int, int], side: int, *, scaled: bool) -> int:
    """The number of squares of a picture of this width and height; arguments as for `Tiles.of`."""
    return len(_places(_looked_at(size, side, scaled), side))


def _places(size: tuple[int, int], side: int) -> tuple[tuple[int, int], ...]:
    width, height = size
    return tuple((left, top) for top in starts(height, side) for left in starts(width, side))
