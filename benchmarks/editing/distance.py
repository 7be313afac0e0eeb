"""How far two pictures are apart, to the eye."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

BLURS = (0, 1 / 64, 1 / 32, 1 / 16, 1 / 8)  # standard deviations of the scales, in sides of the picture


def distance(first: Image.Image, second: Image.Image) -> float:
    """Mean over five scales of the root mean squared difference in CIELAB, ΔE; 2 is just visible.

    The coarser scales forgive what the eye hardly sees: an edge that moved by a pixel.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.color import rgb2lab

    apart = rgb2lab(np.asarray(first) / 255) - rgb2lab(np.asarray(second) / 255)
    side = apart.shape[0]
    scales = [gaussian_filter(apart, (blur * side, blur * side, 0)) if blur else apart for blur in BLURS]
    return float(np.mean([np.sqrt((scale**2).sum(-1).mean()) for scale in scales]))


def distances(pictures: Sequence[Image.Image], to: Sequence[Image.Image]) -> list[float]:
    """Of each pair."""
    return [distance(first, second) for first, second in zip(pictures, to, strict=True)]
