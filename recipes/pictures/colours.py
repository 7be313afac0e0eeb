"""Colours that people name: the colour of a picture, and a change of its hues."""

from __future__ import annotations

import numpy as np
from PIL import Image

# Hues that people name, in degrees.
HUES = {"red": 0, "orange": 28, "yellow": 50, "green": 120, "blue": 215, "purple": 275, "pink": 330}
# Colours of glyphs and backgrounds.
INKS = {
    "black": (0, 0, 0),
    "red": (219, 39, 39),
    "orange": (245, 130, 32),
    "yellow": (250, 204, 21),
    "green": (34, 160, 70),
    "blue": (37, 99, 235),
    "purple": (126, 58, 200),
    "pink": (236, 72, 153),
    "brown": (121, 74, 40),
    "grey": (128, 128, 128),
}
PAPERS = INKS | {
    "white": (255, 255, 255),
    "light blue": (190, 220, 250),
    "light green": (200, 240, 200),
    "light yellow": (255, 245, 190),
    "light pink": (252, 210, 226),
    "light grey": (222, 222, 222),
    "dark blue": (20, 35, 90),
    "dark green": (16, 72, 40),
}
WORDS = (
    frozenset(HUES) | frozenset(PAPERS) | {"gray", "golden", "gold", "silver", "rainbow", "colourful", "dark", "light"}
)
# Pictures of many hues have no dominant one: their mean hue, as a vector on the circle, is shorter than this.
MIN_CONCENTRATION = 0.6
EVERY = 2  # step between the rows and columns that are examined
MIN_COLOURFULNESS = 0.12  # mean saturation × value of the drawn pixels; a picture with less is grey
BROWN = (15, 50, 0.62)  # dark orange: first and last hue, and the mean value that it stays below


def dominant_hue(picture: np.ndarray) -> float | None:
    """The dominant hue of a picture (H, W, 4), in degrees; None if the picture is grey or many-coloured."""
    found = _mean(picture)
    return None if found is None else found[0]


def named_colour(picture: np.ndarray) -> str | None:
    """The colour that people would say a picture (H, W, 4) has; None where it has many."""
    found = _mean(picture)
    if found is None:
        return _grey(picture)
    hue, value = found
    first, last, limit = BROWN
    if first <= hue <= last and value < limit:
        return "brown"
    return min(HUES, key=lambda name: abs((HUES[name] - hue + 180) % 360 - 180))


def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    """Turn all hues of a picture (H, W, 3) by an angle, in HSV."""
    hue, saturation, value = Image.fromarray(picture).convert("HSV").split()
    shift = np.uint8(round(degrees / 360 * 256) % 256)
    moved = Image.fromarray(np.asarray(hue) + shift)  # wraps around, as hues do
    return np.asarray(Image.merge("HSV", (moved, saturation, value)).convert("RGB"))


def _mean(picture: np.ndarray) -> tuple[float, float] | None:
    """The mean hue, in degrees, and the mean value of the coloured pixels; None if no hue is dominant."""
    few = np.ascontiguousarray(picture[::EVERY, ::EVERY])
    hsv = np.asarray(Image.fromarray(few[..., :3]).convert("HSV"), np.float64) / 256
    hue, saturation, value = np.moveaxis(hsv, -1, 0)
    alpha = few[..., 3] / 255
    weight = saturation * value * alpha
    if weight.sum() < MIN_COLOURFULNESS * alpha.sum() or not alpha.any():
        return None
    mean = (weight * np.exp(2j * np.pi * hue)).sum() / weight.sum()
    if abs(mean) < MIN_CONCENTRATION:
        return None
    return float(np.degrees(np.angle(mean)) % 360), float((weight * value).sum() / weight.sum())


def _grey(picture: np.ndarray) -> str | None:
    """Return black, grey or white for a picture without other colours; None for other pictures."""
    alpha = picture[..., 3] / 255
    drawn = picture[..., :3].astype(np.float64)
    spread = ((drawn.max(-1) - drawn.min(-1)) * alpha).sum() / alpha.sum() if alpha.any() else 255
    if spread > 24:
        return None
    level = (drawn.mean(-1) * alpha).sum() / alpha.sum()
    return "black" if level < 64 else "white" if level > 225 else "grey"
