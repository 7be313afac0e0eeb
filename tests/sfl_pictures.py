"""Pictures for the tests of the codec."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw


def drawn(width: int, height: int) -> Image.Image:
    """Shapes with smooth edges, four times scaled down."""
    picture = Image.new("RGB", (4 * width, 4 * height), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((width, height, 3 * width, 3 * height), (220, 40, 60))
    pen.rectangle((0, 0, width, 2 * height), (20, 90, 200))
    return picture.resize((width, height), Image.Resampling.BOX)


def noisy(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))
