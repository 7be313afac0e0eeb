"""Drawings as pictures of one size: (SIDE, SIDE, 4) uint8, with straight alpha."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from . import vector
from .drawing import Drawing
from .vector import NotDrawn

SIDE = 128
MARGIN = 4  # pixels around pictures whose empty borders are cut off
MAX_RATIO = 4  # of the sides; a picture with a larger ratio is a stripe at this size


def rasterised(drawing: Drawing, side: int = SIDE) -> np.ndarray:
    """Rasterise a drawing to (side, side, 4), centred and as large as fits.

    Raises:
        NotDrawn: the drawing is broken, empty, or a stripe.
    """
    picture = drawing.picture
    if isinstance(picture, Path):
        image = Image.open(picture).convert("RGBA")
    else:
        image = vector.whole(picture, side * 3 // 2) if drawing.cropped else vector.draw(picture, side)
    box = vector.bounds(image)
    if drawing.cropped:
        image = image.crop(box)
    if max(image.size) > MAX_RATIO * min(image.size):
        raise NotDrawn("It is a stripe.")
    return _fitted(image, side, MARGIN if drawing.cropped else 0)


def _fitted(image: Image.Image, side: int, margin: int) -> np.ndarray:
    """Centre a picture in a clear square, scaled to fit; premultiplied alpha keeps the colours of its edges."""
    scale = (side - 2 * margin) / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size != image.size:
        image = image.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")
    canvas = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    canvas.paste(image, ((side - size[0]) // 2, (side - size[1]) // 2))
    return np.asarray(canvas)


def on_white(pictures: np.ndarray) -> np.ndarray:
    """Pictures (..., 4) on white: (..., 3)."""
    alpha = pictures[..., 3:].astype(np.uint32)
    return ((pictures[..., :3] * alpha + (255 - alpha) * 255 + 127) // 255).astype(np.uint8)
