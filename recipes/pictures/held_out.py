"""What training never sees, listed in a file: `python -m recipes.pictures.held_out` makes it from the pictures.

The choice of names, pairs and pictures depends only on a hash of their words. What is in the file stays in it: run the
command again when pictures are added, and the file only grows.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import likeness
from .colours import HUES, INKS
from .options import options
from .picture import Picture, Pictures, load

FILE = Path(__file__).with_name("held_out.json")
NAMES, PAIRS = 0.05, 0.1  # shares to hold out
PICTURES = 500
MIN_PICTURES = 3  # a name must have so many for one of them to be held out


@dataclass(frozen=True)
class HeldOut:
    """What training never sees: names, names in some styles or colours, and some pictures of trained names."""

    names: frozenset[str]
    styles: Mapping[str, frozenset[str]]  # by name
    colours: Mapping[str, frozenset[str]]  # by name
    pictures: frozenset[str]  # by id

    def keeps_out(self, picture: Picture) -> bool:
        """Whether a picture is kept out of training."""
        name = picture.name
        return (
            name in self.names
            or picture.id in self.pictures
            or picture.style in self.styles.get(name, ())
            or (picture.group != "glyph" and picture.colour in self.colours.get(name, ()))  # glyphs get a new one
        )

    def allows(self, name: str, colour: str) -> bool:
        """Whether training may show a name in a colour that its picture is given."""
        return colour not in self.colours.get(name, ())

    def save(self, path: Path) -> None:
        content = {
            "names": sorted(self.names),
            "styles": {name: sorted(styles) for name, styles in sorted(self.styles.items())},
            "colours": {name: sorted(colours) for name, colours in sorted(self.colours.items())},
            "pictures": sorted(self.pictures),
        }
        path.write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n")

    @classmethod
    def load(cls, path: Path = FILE) -> HeldOut:
        content = json.loads(path.read_text())
        styles, colours = (
            {name: frozenset(words) for name, words in content[kind].items()} for kind in ("styles", "colours")
        )
        return cls(frozenset(content["names"]), styles, colours, frozenset(content["pictures"]))


NOTHING = HeldOut(frozenset(), {}, {}, frozenset())


def choose(pictures: Pictures, earlier: HeldOut = NOTHING) -> HeldOut:
    """Choose what to hold out of these pictures, in addition to everything that was held out earlier.

    A style is held out of a name only if the name has another style left. A colour is held out of a name only if none
    of its pictures has that colour by itself. So a held-out pair never removes a whole name from training.
    """
    by_name: dict[str, list[Picture]] = defaultdict(list)
    for row in pictures.rows:
        by_name[row.name].append(row)
    names = earlier.names | {name for name in by_name if number(name) < NAMES}
    styles, colours = dict(earlier.styles), dict(earlier.colours)
    for name, rows in by_name.items():
        if name in names:
            continue
        if held := _styles(name, rows):
            styles[name] = styles.get(name, frozenset()) | held
        if held := _colours(name, rows):
            colours[name] = colours.get(name, frozenset()) | held
    chosen = HeldOut(names, styles, colours, earlier.pictures)
    return HeldOut(names, styles, colours, earlier.pictures | _pictures(pictures, chosen))


def split(pictures: Pictures, held_out: HeldOut) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the pictures to train on, and the places of the held-out pictures.

    A picture that nearly equals a held-out picture, or the mirror image of one, is in neither.
    """
    out = np.array([held_out.keeps_out(row) for row in pictures.rows], bool)
    vectors = likeness.small(pictures.images)
    away = vectors[out]
    near = np.zeros(len(out), bool)
    for other in (away, likeness.mirrored(away)):
        near[[j for _, j in likeness.alike(other, vectors)]] = True
    return np.flatnonzero(~out & ~near), np.flatnonzero(out)


def number(words: str) -> float:
    """Return a number in [0, 1) that depends only on the words."""
    return int(hashlib.sha256(words.encode()).hexdigest()[:8], 16) / 2**32


def can_be_given(row: Picture) -> tuple[str, ...]:
    """The colours that a picture can be given."""
    return tuple(INKS) if row.group == "glyph" else tuple(HUES) if row.hue is not None else ()


def _styles(name: str, rows: list[Picture]) -> frozenset[str]:
    there = {row.style for row in rows}
    held = frozenset(style for style in there if number(f"{style}: {name}") < PAIRS)
    return held if there - held else frozenset()


def _colours(name: str, rows: list[Picture]) -> frozenset[str]:
    given = {colour for row in rows for colour in can_be_given(row)}
    own = {row.colour for row in rows if row.group != "glyph"}
    return frozenset(colour for colour in given - own if number(f"{colour} {name}") < PAIRS)


def _pictures(pictures: Pictures, held_out: HeldOut) -> frozenset[str]:
    """Choose pictures, of names that keep others to train on, until `PICTURES` pictures are held out."""
    trained = [row for row in pictures.rows if not held_out.keeps_out(row)]
    left = Counter(row.name for row in trained)
    chosen: set[str] = set()
    for row in sorted(trained, key=lambda row: number(row.id)):
        if len(chosen) + len(held_out.pictures) >= PICTURES:
            break
        if left[row.name] >= MIN_PICTURES and row.group != "avatar":
            chosen.add(row.id)
            left[row.name] -= 1
    return frozenset(chosen)


if __name__ == "__main__":
    chosen = choose(load(options(__doc__).folder), HeldOut.load() if FILE.exists() else NOTHING)
    chosen.save(FILE)
    pairs = (sum(map(len, of.values())) for of in (chosen.styles, chosen.colours))
    print(f"{len(chosen.names)} names, {' + '.join(map(str, pairs))} pairs, {len(chosen.pictures)} pictures in {FILE}")
