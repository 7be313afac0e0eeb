"""What training never sees, listed in a file: `python -m recipes.held_out` makes it from the pictures, once.

Which subjects and which pairs of subject and colour are left out depends on nothing but their names.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .colours import COLOURS, dominant_hue
from .subjects import Subject

if TYPE_CHECKING:
    from .data import Dataset

SUBJECTS, PAIRS = 0.05, 0.1  # shares


@dataclass(frozen=True)
class HeldOut:
    """Subjects, by name, and the colours that further ones are never shown in."""

    subjects: frozenset[str]
    pairs: dict[str, tuple[str, ...]]

    def colours(self, subject: Subject, image: np.ndarray) -> list[str]:
        """The colours that a picture (H, W, 3) may be trained in; none where it has no dominant hue."""
        if not is_colourable(subject, image):
            return []
        return [colour for colour in COLOURS if colour not in self.pairs.get(subject.name, ())]

    def save(self, path: Path) -> None:
        content = {"subjects": sorted(self.subjects), "pairs": dict(sorted(self.pairs.items()))}
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> HeldOut:
        content = json.loads(path.read_text())
        pairs = {name: tuple(colours) for name, colours in content["pairs"].items()}
        return cls(frozenset(content["subjects"]), pairs)


def choose(dataset: Dataset, subjects: float = SUBJECTS, pairs: float = PAIRS) -> HeldOut:
    """A share of the subjects, and of the pairs of other subjects with colours that they can be given."""
    left_out = frozenset(s.name for s in dataset.subjects if _number(s.name) < subjects)
    colourable = [
        subject.name
        for subject, image in zip(dataset.subjects, dataset.images, strict=True)
        if subject.name not in left_out and is_colourable(subject, image)
    ]
    chosen = {name: tuple(c for c in COLOURS if _number(f"{c} {name}") < pairs) for name in colourable}
    return HeldOut(left_out, {name: colours for name, colours in chosen.items() if colours})


def is_colourable(subject: Subject, image: np.ndarray) -> bool:
    """Whether a picture (H, W, 3) can be given another colour and still be what its name says."""
    return not subject.names_a_colour and dominant_hue(image) is not None


def _number(words: str) -> float:
    """A number in [0, 1) that depends on nothing but the words."""
    return int(hashlib.sha256(words.encode()).hexdigest()[:8], 16) / 2**32


if __name__ == "__main__":
    from . import data
    from .config import arguments

    config = arguments(__doc__).config
    chosen = choose(data.load(config))
    chosen.save(config.held_out)
    print(f"{len(chosen.subjects)} subjects and {sum(map(len, chosen.pairs.values()))} pairs in {config.held_out}")
