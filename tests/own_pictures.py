"""Folders of a few small pictures to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

# The quickest training that does everything.
QUICK = {"network": "tiny", "size": 8, "batch_size": 4, "pictures": 24, "device": "cpu"}


def write_picture(file: Path, seed: int = 0, size: tuple[int, int] = (20, 24), grey: bool = False) -> None:
    """Noise around a mean of its own."""
    rng = np.random.default_rng(seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    mean = rng.uniform(60, 190, 1 if grey else 3)
    pixels = mean + rng.normal(0, 20, (*size, 1 if grey else 3))
    Image.fromarray(np.broadcast_to(pixels, (*size, 3)).clip(0, 255).astype(np.uint8)).save(file)


def write_pictures(folder: Path, number: int = 12, seed: int = 0, **how: object) -> Path:
    for i in range(number):
        write_picture(folder / f"{i:02}.png", seed + i, **how)  # type: ignore[arg-type]
    return folder
