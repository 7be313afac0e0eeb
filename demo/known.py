"""The pictures of the page Insight: normal ones that odd ones are compared with, and examples that are one click away.

`python tools/save_known.py` makes the files of the folder `known` from pictures that training never sees.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

FOLDER = Path(__file__).parent / "known"
SHEET, FACTS = FOLDER / "normal.png", FOLDER / "examples.json"


@dataclass(frozen=True)
class Example:
    """Pictures to try a part of the page with.

    Attributes:
        label: what the button says.
        pictures: the pictures.
        prompts: what the picture may show, one a line; "" where nothing is asked.
    """

    label: str
    pictures: tuple[Image.Image, ...]
    prompts: str = ""


@cache
def normal_pictures() -> tuple[Image.Image, ...]:
    """Emoji that the embedded models were not trained on, RGB, from one sheet of squares."""
    with Image.open(SHEET) as opened:
        sheet = opened.convert("RGB")
    side = _facts()["side"]
    places = [(left, top) for top in range(0, sheet.height, side) for left in range(0, sheet.width, side)]
    return tuple(sheet.crop((left, top, left + side, top + side)) for left, top in places)


@cache
def examples(part: str) -> tuple[Example, ...]:
    """The examples of a part of the page: "match", "confidence" or "odd"."""
    found = _facts()["examples"][part]
    return tuple(Example(one["label"], tuple(map(_read, one["pictures"])), one.get("prompts", "")) for one in found)


def _read(name: str) -> Image.Image:
    with Image.open(FOLDER / name) as picture:
        return picture.convert("RGB")


def _facts() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(FACTS.read_text(encoding="utf-8"))
    return content
