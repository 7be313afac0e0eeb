"""Sets of pictures for inspection: normal ones to learn, others to compare with, and defects.

The textiles are those of the package conformal-clip-data (MIT), simulated weaves of 250×250 pixels, which `pip install
--no-deps conformal-clip-data` brings. The cloth is drawn by weaves.py.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

from . import weaves

TEXTILES = {"a small spot": "local", "another weave": "global"}
Draw = Callable[[np.random.Generator, float], Image.Image]
CLOTH = 400  # normal pictures of the cloth to learn


@dataclass(frozen=True)
class Set:
    """A set of pictures.

    Attributes:
        good: folder of normal pictures to learn.
        usual: other normal ones, in the order to test them in.
        odd: the same of each kind of defect.
    """

    good: Path
    usual: list[Path]
    odd: dict[str, list[Path]]


def textiles(folder: Path, learnt: int = 500) -> Set:
    """The textiles, of whose 1,000 normal ones the first are learnt.

    Raises:
        SystemExit: the package is missing.
    """
    normal = _textiles("nominal")
    good = folder / "good"
    if not good.is_dir():
        good.mkdir(parents=True)
        for file in normal[:learnt]:
            shutil.copy(file, good)
    return Set(good, normal[learnt:], {name: _textiles(kind) for name, kind in TEXTILES.items()})


def cloth(folder: Path, tested: int, stray: float = 0.0) -> Set:
    """The cloth, with so many normal pictures to test and so many of each kind of defect; `stray` as weaves.py says."""
    kinds: dict[str, tuple[Draw, int]] = {
        "good": (weaves.normal, CLOTH),
        "usual": (weaves.normal, tested),
        **{name: (draw, tested) for name, draw in weaves.DEFECTS.items()},
    }
    made = {name: _drawn(folder / name, *how, seed=seed, stray=stray) for seed, (name, how) in enumerate(kinds.items())}
    return Set(folder / "good", made["usual"], {name: made[name] for name in weaves.DEFECTS})


def _drawn(folder: Path, draw: Draw, number: int, *, seed: int, stray: float) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i:04}.png" for i in range(number)]
    for i, path in enumerate(paths):
        if not path.exists():
            draw(np.random.default_rng([seed, i]), stray).save(path)
    return paths


def _textiles(kind: str) -> list[Path]:
    """The files of a kind, in a random order that is always the same."""
    try:
        folder = Path(str(files("conformal_clip_data"))) / "data" / "textile_images" / "simulated" / kind
    except ModuleNotFoundError:
        raise SystemExit("The textiles are missing; `pip install --no-deps conformal-clip-data` brings them.") from None
    found = sorted(folder.glob("*.jpg"))
    random.Random(0).shuffle(found)
    return found
