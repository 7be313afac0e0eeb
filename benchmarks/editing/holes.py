"""Held-out pictures with holes, and simple fills to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from recipes.data import Data
from starflow_core.editing.smooth import smoothly_filled
from starflow_core.images import to_tensor
from starflow_core.pipeline import Pipeline

SIDE = 4  # tokens of the square holes, of the model's 8


@dataclass(frozen=True)
class Holed:
    """A picture with a hole.

    Attributes:
        picture: as it is.
        mask: white in the hole.
        name: what the picture shows.
    """

    picture: Image.Image
    mask: Image.Image
    name: str

    @property
    def given(self) -> Image.Image:
        """The picture with a white hole: of a picture whose right part is cut off, what `grown` makes of the rest."""
        return Image.composite(Image.new("RGB", self.picture.size, "white"), self.picture, self.mask)

    @property
    def pixels(self) -> Tensor:
        """(3, S, S) in [−1, 1]."""
        return to_tensor(self.picture)

    @property
    def hole(self) -> Tensor:
        """(S, S), true in the hole."""
        return torch.from_numpy(np.asarray(self.mask) > 0)


def holed(pipeline: Pipeline, data: Data, places: np.ndarray, *, is_cut: bool = False) -> Iterator[Holed]:
    """Pictures with holes, which depend on the picture alone; with `is_cut`, their right quarter is the hole."""
    for row, image in zip(data.rows(places), data.images(places), strict=True):
        mask = right_quarter(pipeline) if is_cut else hole_at(pipeline, row.id)
        yield Holed(Image.fromarray(image), mask, row.name)


def right_quarter(pipeline: Pipeline) -> Image.Image:
    """A mask of the right quarter, as of a picture that grows to the right."""
    side = pipeline.trained_side
    mask = Image.new("L", (side, side))
    mask.paste(255, (side - side // 4, 0, side, side))
    return mask


def hole_at(pipeline: Pipeline, name: str) -> Image.Image:
    """A mask of 4×4 tokens, away from the border, at a place that depends on a name."""
    multiple, side = pipeline.multiple, pipeline.trained_side
    left, top = np.random.default_rng(list(name.encode())).integers(1, side // multiple - SIDE, 2) * multiple
    mask = Image.new("L", (side, side))
    mask.paste(255, (left, top, left + SIDE * multiple, top + SIDE * multiple))
    return mask


def simple_fills(one: Holed) -> dict[str, Tensor]:
    """The picture (3, S, S), with its hole filled without a model."""
    pixels, hole = one.pixels, one.hole
    mean = pixels[:, ~hole].mean(1)[:, None, None].expand_as(pixels)
    return {
        "mean of the known pixels": torch.where(hole, mean, pixels),
        "nearest known pixel": nearest(pixels, hole),
        "smooth continuation": smoothly_filled(pixels[None], hole[None, None])[0],
    }


def nearest(pixels: Tensor, hole: Tensor) -> Tensor:
    """Every pixel of the hole with the colour of the nearest known one."""
    places = torch.nonzero(~hole).float()
    unknown = torch.nonzero(hole)
    y, x = places[torch.cdist(unknown.float(), places).argmin(1)].long().T
    filled = pixels.clone()
    filled[:, unknown[:, 0], unknown[:, 1]] = pixels[:, y, x]
    return filled
