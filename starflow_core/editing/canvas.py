"""The picture that is edited, its hole, and the part of it that a model sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..images import AnyImage, as_rgb, middle_box, to_tensor
from .masks import as_mask, check_hole, resized
from .pasting import pasted

MAX_GROWTH = 4096  # pixels on a side


@dataclass(frozen=True)
class Canvas:
    """A picture with a hole.

    Attributes:
        picture: upright RGB, of its own size.
        hole: (H, W), true where it is drawn anew.
        box: left, top, right and bottom of the part that the model sees.
        fitted: that part, at a size that the model takes.
    """

    picture: Image.Image
    hole: np.ndarray
    box: tuple[int, int, int, int]
    fitted: Image.Image

    @classmethod
    def of(cls, image: AnyImage, mask: AnyImage, fit: Callable[[Image.Image], Image.Image], *, is_cut: bool) -> Canvas:
        """A picture and its mask.

        Args:
            image: any picture.
            mask: of its size; white is drawn anew, see `as_mask`.
            fit: scales a picture to a size that the model takes.
            is_cut: whether the model sees only the largest square in the middle.

        Raises:
            ValueError: one of them cannot be read, they do not fit together, or the model does not see all of the hole.
        """
        picture = as_rgb(image)
        hole = as_mask(mask, picture.size)
        box = middle_box(picture.size) if is_cut else (0, 0, *picture.size)
        left, top, right, bottom = box
        seen = hole[top:bottom, left:right]
        if seen.sum() != hole.sum():
            raise ValueError(
                "The mask reaches beyond the square in the middle of the picture, which is all that this model sees; "
                "crop the picture to a square around what shall be drawn anew."
            )
        check_hole(seen)
        return cls(picture, hole, box, fit(picture.crop(box)))

    @property
    def pixels(self) -> Tensor:
        """What the model sees, (1, 3, H', W') in [−1, 1]."""
        return to_tensor(self.fitted)[None]

    @property
    def hole_seen(self) -> np.ndarray:
        """The part of the hole that the model sees, in the picture's own pixels."""
        left, top, right, bottom = self.box
        return self.hole[top:bottom, left:right]

    @property
    def fitted_hole(self) -> Tensor:
        """The hole in it, (1, 1, H', W')."""
        return torch.from_numpy(resized(self.hole_seen, self.fitted.size).copy())[None, None]

    def with_fill(self, fill: Image.Image) -> Image.Image:
        """The picture, of its own size, with the hole filled from a picture of the size of `fitted`."""
        left, top, right, bottom = self.box
        whole = np.array(self.picture)
        scaled = fill.resize((right - left, bottom - top), Image.Resampling.BICUBIC)
        seen = whole[top:bottom, left:right]
        whole[top:bottom, left:right] = pasted(seen, np.asarray(scaled), self.hole_seen)
        return Image.fromarray(whole)


def grown(
    image: AnyImage, *, left: int = 0, top: int = 0, right: int = 0, bottom: int = 0
) -> tuple[Image.Image, Image.Image]:
    """A picture on a larger canvas, and the mask of what was added: both go to `Pipeline.inpaint`.

    Args:
        image: any picture.
        left: pixels to add on this side.
        top: and on this one.
        right: and on this one.
        bottom: and on this one.

    Raises:
        ValueError: the picture cannot be read, a number is out of range, or nothing is added.
    """
    sides = {"left": left, "top": top, "right": right, "bottom": bottom}
    for name, pixels in sides.items():
        if isinstance(pixels, bool) or not isinstance(pixels, int) or not 0 <= pixels <= MAX_GROWTH:
            raise ValueError(f"{name} is {pixels!r}; it must be a whole number of pixels from 0 to {MAX_GROWTH}.")
    if not any(sides.values()):
        raise ValueError("Nothing is added on any side; give left, top, right or bottom, in pixels.")
    picture = as_rgb(image)
    size = (picture.width + left + right, picture.height + top + bottom)
    canvas, mask = Image.new("RGB", size, "white"), Image.new("L", size, 255)
    canvas.paste(picture, (left, top))
    mask.paste(0, (left, top, left + picture.width, top + picture.height))
    return canvas, mask
