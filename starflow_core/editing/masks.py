"""Masks: which places of a picture are drawn anew."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..images import AnyImage, as_rgb

HALF = 128  # of 255: from here on, a mask is white


def as_mask(mask: AnyImage, size: tuple[int, int]) -> np.ndarray:
    """A mask as truth values (H, W): true is drawn anew.

    White is drawn anew, and black is kept; grey counts as what it is nearer to. Transparent places count as white, as
    in masks that are painted by erasing.

    Args:
        mask: any picture of the size of the one that it belongs to.
        size: of that picture, width and height.

    Raises:
        ValueError: it cannot be read, has another size, or is black everywhere or white everywhere.
    """
    picture = as_rgb(mask)
    hole = np.asarray(picture.convert("L")) >= HALF
    check_hole(hole)  # first: an empty mask of ComfyUI's has a size of its own
    if picture.size != size:
        got, wanted = ("×".join(map(str, one)) for one in (picture.size, size))
        raise ValueError(f"The mask is {got} pixels, and the picture {wanted}; make the mask as large as the picture.")
    return hole


def check_hole(hole: np.ndarray) -> None:
    """Check that some places are drawn anew, and some are kept.

    Raises:
        ValueError: all are, or none is.
    """
    if not hole.any():
        raise ValueError("The mask is black everywhere, so there is nothing to draw anew; paint these places white.")
    if hole.all():
        raise ValueError(
            "The mask is white everywhere, so there is nothing to go by; leave some of the picture black, or draw a "
            "new picture."
        )


def cells(hole: np.ndarray, size: tuple[int, int], factor: int) -> Tensor:
    """The places of a flow's data that a hole touches, (1, 1, H/f, W/f), true where they are drawn anew.

    Args:
        hole: (H', W') in pixels of the picture.
        size: width and height of the picture as the flow takes it.
        factor: f, pixels by place of the data.
    """
    scaled = resized(hole, size)
    return F.max_pool2d(torch.from_numpy(scaled)[None, None].float(), factor).bool()


def resized(hole: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A hole of another size, width and height; a pixel that it touches is in it."""
    if hole.shape == size[::-1]:
        return hole
    shares = Image.fromarray(hole.astype(np.float32)).resize(size, Image.Resampling.BOX)
    return np.asarray(shares) > 0
