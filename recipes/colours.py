"""Colours that people name, and pictures turned to them by hue."""

from __future__ import annotations

import numpy as np
from PIL import Image

# Hues that people name, in degrees.
COLOURS = {"red": 0, "orange": 28, "yellow": 48, "green": 120, "blue": 215, "purple": 275, "pink": 330}
# Pictures of many hues have no dominant one: their mean hue, as a vector on the circle, is shorter than this.
MIN_CONCENTRATION = 0.5
MIN_COLOURFULNESS = 0.04  # mean saturation × value over the picture below which it counts as grey


def dominant_hue(image: np.ndarray) -> float | None:
    """The hue of most of a picture's colour (H, W, 3), in degrees; None where it is grey or many-coloured."""
    hue, saturation, value = np.moveaxis(
        np.asarray(Image.fromarray(image).convert("HSV"), dtype=np.float64) / 256, -1, 0
    )
    weight = saturation * value
    if weight.mean() < MIN_COLOURFULNESS:
        return None
    mean = (weight * np.exp(2j * np.pi * hue)).sum() / weight.sum()
    return float(np.degrees(np.angle(mean)) % 360) if abs(mean) >= MIN_CONCENTRATION else None


def recoloured(image: np.ndarray, colour: str) -> np.ndarray:
    """The picture (H, W, 3) with all hues turned so that the dominant one becomes a named colour's.

    Raises:
        ValueError: the picture has no dominant hue.
    """
    dominant = dominant_hue(image)
    if dominant is None:
        raise ValueError("A picture without a dominant hue cannot be recoloured.")
    turn = round((COLOURS[colour] - dominant) / 360 * 256)
    hue, saturation, value = Image.fromarray(image).convert("HSV").split()
    turned = Image.fromarray(np.asarray(hue) + np.uint8(turn % 256))  # wraps around, as hues do
    return np.asarray(Image.merge("HSV", (turned, saturation, value)).convert("RGB"))


def nearest_colour(hue: float) -> str:
    """The named colour that a hue, in degrees, is nearest to."""
    return min(COLOURS, key=lambda colour: abs((COLOURS[colour] - hue + 180) % 360 - 180))
