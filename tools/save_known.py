"""Make the pictures of the demo's page Insight: `python tools/save_known.py` writes demo/known.

The pictures are emoji that no training of the recipes sees, so the command needs `python -m recipes.pictures.prepare`
and the extra `benchmarks`. One example is no emoji: a photograph of a cat in scikit-image, in the public domain (CC0).
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.insight.match import beside  # noqa: E402
from benchmarks.insight.pictures import inverted, noise, pasted, shuffled  # noqa: E402
from demo.known import FACTS, FOLDER, SHEET  # noqa: E402
from recipes import data  # noqa: E402
from recipes.config import arguments  # noqa: E402
from recipes.data import Data  # noqa: E402

SIDE, COLUMNS, ROWS = 128, 12, 8
SETS = ("noto", "noto-v1", "twemoji")  # Apache-2.0 and CC-BY 4.0, as NOTICE says
PROMPTS = {
    "twemoji:avocado": ("avocado", "pear", "green leaf", "ball", "eye"),
    "noto:snail": ("snail", "frog", "bread", "shell", "car"),
    "noto-v1:smiling-face-with-sunglasses": ("smiling face with sunglasses", "angry face", "sun", "lemon", "cat"),
}
TWO = ("twemoji:ghost", "noto-v1:crab")
TWO_PROMPTS = ("ghost", "crab")
USUAL = ("noto:hibiscus", "twemoji:tractor", "noto-v1:palm-tree")  # examples of normal pictures
CHANGED = ("twemoji:pancakes", "noto-v1:tiger-face", "noto:telephone-receiver")


class Pictures:
    """Held-out pictures by their ids."""

    def __init__(self, pictures: Data) -> None:
        self._data = pictures
        ids = [row.id for row in pictures.rows(pictures.unseen)]
        self._places = {id: int(place) for id, place in zip(ids, pictures.unseen, strict=True)}

    def __getitem__(self, id: str) -> np.ndarray:
        found: np.ndarray = self._data.images(np.array([self._places[id]]))[0]
        return found

    def sheet(self, without: set[str]) -> Image.Image:
        """Normal pictures side by side, in a random order that is always the same."""
        ids = sorted(id for id in self._places if id.split(":")[0] in SETS and id not in without)
        chosen = random.Random(0).sample(ids, COLUMNS * ROWS)
        firsts = range(0, len(chosen), COLUMNS)
        rows = [np.concatenate([self[id] for id in chosen[first : first + COLUMNS]], 1) for first in firsts]
        return Image.fromarray(np.concatenate(rows))


def cat() -> np.ndarray:
    """A square of the photograph."""
    import skimage.data

    whole = Image.fromarray(skimage.data.chelsea()).crop((80, 10, 360, 290))
    return np.asarray(whole.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def examples(pictures: Pictures) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The pictures by the names of their files, and the examples of each part of the page."""
    rng = np.random.default_rng(0)
    food, tiger, telephone = (pictures[id] for id in CHANGED)
    made = {name_of(id): pictures[id] for id in (*PROMPTS, *USUAL)}
    made |= {
        "two.png": beside(*(pictures[id] for id in TWO)),
        "shuffled.png": shuffled(food, rng),
        "inverted.png": inverted(tiger, rng),
        "pasted.png": pasted(telephone, tiger, rng),
        "noise.png": noise(food, rng),
        "cat.png": cat(),
    }
    usual = [name_of(id) for id in USUAL]
    match = [{"label": said[0], "pictures": [name_of(id)], "prompts": "\n".join(said)} for id, said in PROMPTS.items()]
    match.append({"label": "two at once", "pictures": ["two.png"], "prompts": "\n".join(TWO_PROMPTS)})
    emoji = {"label": "emoji", "pictures": [*usual, *(name_of(id) for id in PROMPTS)]}
    mixed = [usual[0], name_of("twemoji:avocado"), "shuffled.png", "cat.png", "noise.png"]
    odd = [*usual[:2], "shuffled.png", "pasted.png", "inverted.png", "cat.png"]
    return made, {
        "match": match,
        "confidence": [{"label": "from plain to noise", "pictures": mixed}, emoji],
        "odd": [
            {"label": "six pictures, four of them odd", "pictures": odd},
            emoji,
            {"label": "a photograph", "pictures": ["cat.png"]},
        ],
    }


def name_of(id: str) -> str:
    return f"{id.split(':')[1]}.png"


def main() -> None:
    pictures = Pictures(data.load(arguments(__doc__).config, SIDE))
    FOLDER.mkdir(exist_ok=True)
    made, told = examples(pictures)
    for name, picture in made.items():
        Image.fromarray(picture).save(FOLDER / name, optimize=True)
    pictures.sheet({*PROMPTS, *TWO, *USUAL, *CHANGED}).save(SHEET, optimize=True)
    FACTS.write_text(json.dumps({"side": SIDE, "examples": told}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
