"""Pictures that no codec here has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recipes import data
from recipes.codec import RESERVED
from recipes.config import load_config

PHOTOGRAPHS = ("astronaut", "cat", "coffee", "immunohistochemistry", "rocket")


def drawings(config: Path, side: int, count: int) -> list[np.ndarray]:
    """Held-out pictures (side, side, 3) of trained names, which no training and no log used."""
    source = data.load(load_config(config), side)
    return list(source.images(source.shuffled_unseen[: min(count, RESERVED)]))


def photographs() -> list[np.ndarray]:
    """Photographs (H, W, 3) of scikit-image that need no download."""
    from skimage import data as pictures

    return [np.ascontiguousarray(getattr(pictures, name)()[..., :3]) for name in PHOTOGRAPHS]
