"""Pictures as layers that can be put on a background: coloured, scaled, and set side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

LIGHTNESS = np.array([0.299, 0.587, 0.114])  # of red, green and blue


@dataclass(frozen=True)
class Layer:
    """A picture on white (S, S, 3) and its alpha (S, S), uint8 each."""

    image: np.ndarray
    alpha: np.ndarray

    def on(self, paper: tuple[int, int, int]) -> np.ndarray:
        """Put the picture on a background colour, which replaces the white where the picture is not opaque."""
        if paper == (255, 255, 255):
            return self.image
        missing = (255 - self.alpha.astype(np.int32))[..., None] * (255 - np.array(paper, np.int32))
        return np.clip(self.image - (missing + 127) // 255, 0, 255).astype(np.uint8)

    def mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> Layer:
        return Layer(change(self.image), change(self.alpha))


def light(image: np.ndarray, alpha: np.ndarray) -> float:
    """Estimate the mean lightness, from 0 to 255, of the opaque pixels."""
    few, seen = image[::4, ::4], alpha[::4, ::4] > 127
    return float((few[seen] @ LIGHTNESS).mean()) if seen.any() else 0.0


def inked(layer: Layer, ink: tuple[int, int, int]) -> Layer:
    """A glyph in a colour, on white."""
    alpha = layer.alpha[..., None].astype(np.int32)
    image = (alpha * np.array(ink, np.int32) + (255 - alpha) * 255 + 127) // 255
    return Layer(image.astype(np.uint8), layer.alpha)


def placed(layer: Layer, scale: float, x: float, y: float) -> Layer:
    """Scale a picture, and put its middle at (x, y) on white."""
    side = layer.alpha.shape[0]
    size = max(1, round(side * scale))
    corner = (round(x - size / 2), round(y - size / 2))

    def change(plane: np.ndarray) -> np.ndarray:
        small = Image.fromarray(np.ascontiguousarray(plane)).resize((size, size), Image.Resampling.BICUBIC)
        canvas = Image.new(small.mode, (side, side), "white" if small.mode == "RGB" else 0)
        canvas.paste(small, corner)
        return np.asarray(canvas)

    return layer.mapped(change)


def beside(left: Layer, right: Layer) -> Layer:
    """Two pictures side by side, each of half the size."""
    side = left.alpha.shape[0]
    one, two = (placed(layer, 0.5, x * side, side / 2) for layer, x in ((left, 0.25), (right, 0.75)))
    half = side // 2
    return Layer(
        np.concatenate([one.image[:, :half], two.image[:, half:]], 1),
        np.concatenate([one.alpha[:, :half], two.alpha[:, half:]], 1),
    )
