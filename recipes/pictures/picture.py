"""The description of a picture, and the files that hold all pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

CLEAR = "clear"  # the background of a picture that has clear pixels around it


@dataclass(frozen=True)
class Picture:
    """A picture's row in `subjects.jsonl`."""

    id: str  # SET:ID; it never changes
    set: str
    style: str  # the word for it in captions
    group: str  # emoji, 3d, clip art, icon, glyph or avatar
    name: str
    licence: str
    source: str  # the icon or file within its package
    category: str = ""  # its category within its set
    keywords: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)  # of avatars
    colour: str | None = None  # the colour that people would name; None if it has many
    hue: float | None = None  # its dominant hue, in degrees; None if it has none, or must not be turned
    background: str = CLEAR


@dataclass(frozen=True)
class Pictures:
    """Rows, pictures on white (N, S, S, 3) uint8, and their alpha (N, S, S) uint8; `load` maps them from files."""

    rows: Sequence[Picture]
    images: np.ndarray
    alpha: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def load(folder: Path) -> Pictures:
    """Load the pictures that `recipes.pictures.prepare` wrote into a folder.

    Raises:
        FileNotFoundError: the folder has no pictures yet.
        ValueError: the files do not belong together.
    """
    if not (folder / "images.npy").exists():
        raise FileNotFoundError(
            f"There are no pictures in {folder}; `python -m recipes.pictures.prepare --folder {folder}` makes them."
        )
    rows = [_picture(json.loads(line)) for line in (folder / "subjects.jsonl").read_text().splitlines()]
    images = np.load(folder / "images.npy", mmap_mode="r")
    alpha = np.load(folder / "alpha.npy", mmap_mode="r")
    if not len(rows) == len(images) == len(alpha):
        raise ValueError(
            f"{folder} has {len(rows)} rows, {len(images)} pictures and {len(alpha)} alphas; make them again."
        )
    return Pictures(rows, images, alpha)


def as_line(picture: Picture) -> str:
    """Return a row of `subjects.jsonl`, without empty fields."""
    return json.dumps({key: value for key, value in asdict(picture).items() if value not in ("", (), {}, None)})


def _picture(row: dict[str, Any]) -> Picture:
    return Picture(**row | {"keywords": tuple(row.get("keywords", ()))})
