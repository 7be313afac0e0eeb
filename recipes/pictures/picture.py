"""What is known of a picture, and all pictures together as they lie in files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

CLEAR = "clear"  # the background of pictures that stand free


@dataclass(frozen=True)
class Picture:
    """A picture's row in `subjects.jsonl`."""

    id: str  # SET:ID, the same for ever
    set: str
    style: str  # the word for it in captions
    group: str  # emoji, 3d, clip art, icon, glyph or avatar
    name: str
    licence: str
    source: str  # the icon or file within its package
    category: str = ""  # what its set says it belongs to
    keywords: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)  # of avatars
    colour: str | None = None  # that people would say it has
    hue: float | None = None  # of most of it, in degrees; None where its hues may not be turned
    background: str = CLEAR


@dataclass(frozen=True)
class Pictures:
    """Rows, with the pictures on white (N, S, S, 3) uint8 and their alpha (N, S, S) uint8, mapped from files."""

    rows: Sequence[Picture]
    images: np.ndarray
    alpha: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def load(folder: Path) -> Pictures:
    """What `recipes.pictures.prepare` wrote into a folder.

    Raises:
        FileNotFoundError: it has not been there yet.
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
    """A row of `subjects.jsonl`; fields that say nothing are left out."""
    return json.dumps({key: value for key, value in asdict(picture).items() if value not in ("", (), {}, None)})


def _picture(row: dict[str, Any]) -> Picture:
    return Picture(**row | {"keywords": tuple(row.get("keywords", ()))})
