"""Contact sheets to look at: `python -m recipes.pictures.sheets` draws pictures of each set with their names."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .options import options
from .picture import Pictures, load

COLUMNS, ROWS, LABEL = 14, 9, 22  # pictures across and down, and the height of a label
LETTERS = 24  # in a line of a label
SEED = 0


def sheet(images: np.ndarray, labels: Sequence[str], columns: int = COLUMNS) -> Image.Image:
    """Pictures (N, S, S, 3) uint8 in rows, each above its label."""
    side = images.shape[1]
    rows = -(-len(images) // columns)
    canvas = Image.new("RGB", (columns * (side + 4), rows * (side + LABEL + 4)), (225, 225, 225))
    pen = ImageDraw.Draw(canvas)
    for place, (image, label) in enumerate(zip(images, labels, strict=True)):
        x, y = place % columns * (side + 4), place // columns * (side + LABEL + 4)
        canvas.paste(Image.fromarray(np.ascontiguousarray(image)), (x, y))
        pen.text((x + 2, y + side), f"{label[:LETTERS]}\n{label[LETTERS : 2 * LETTERS]}", fill="black", font_size=9)
    return canvas


def of_set(pictures: Pictures, key: str, number: int = COLUMNS * ROWS) -> Image.Image:
    """A sheet of random pictures from one set."""
    places = [place for place, row in enumerate(pictures.rows) if row.set == key]
    chosen = random.Random(SEED).sample(places, min(number, len(places)))
    return sheet(np.stack([pictures.images[p] for p in chosen]), [pictures.rows[p].name for p in chosen])


def save(pictures: Pictures, folder: Path) -> None:
    """Save a sheet of each set in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for key in dict.fromkeys(row.set for row in pictures.rows):
        of_set(pictures, key).save(folder / f"{key}.png")


if __name__ == "__main__":
    where = options(__doc__).folder
    save(load(where), where / "sheets")
