"""Unicode's names and keywords of emoji, from the package `emojibase-data`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FLAGS, COMPONENTS = 9, 2  # emojibase's groups
NOT_SAID = re.compile(r"[^\w'&,#*]+")
NOT_LETTERS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Emoji:
    """An emoji's words."""

    name: str
    tags: tuple[str, ...]
    group: int | None
    toned: bool = False  # whether it has a skin tone

    @property
    def wanted(self) -> bool:
        return self.group not in (FLAGS, COMPONENTS, None) and not self.toned


@cache
def by_code(emojibase: Path) -> dict[str, Emoji]:
    """All emoji by their code points as `plain` writes them."""
    found = {}
    for row in json.loads((emojibase / "en" / "data.json").read_text()):
        found[plain(row["hexcode"])] = _emoji(row, row)
        for skin in row.get("skins", ()):
            found[plain(skin["hexcode"])] = _emoji(skin, row)
    return found


@cache
def by_name(emojibase: Path) -> dict[str, Emoji]:
    """All emoji by the letters of their name."""
    return {key(emoji.name): emoji for emoji in by_code(emojibase).values()}


def characters(emojibase: Path) -> dict[str, str]:
    """What each emoji's character stands for, in words."""
    return {
        "".join(chr(int(point, 16)) for point in code.split("-")): emoji.name
        for code, emoji in by_code(emojibase).items()
        if emoji.wanted
    }


def plain(code: str) -> str:
    """Code points in hexadecimal, joined by hyphens, without variation selectors."""
    return "-".join(point for point in code.lower().split("-") if point != "fe0f")


def said(name: str) -> str:
    """A name as people would say it: "family, man, woman and boy", "keycap 5"."""
    kind, colon, parts = name.partition(": ")
    people = parts.split(", ")
    if not colon:
        words = name
    elif len(people) > 1:
        words = f"{kind} of {', '.join(people[:-1])} and {people[-1]}"
    else:
        words = f"{kind} {parts}" if kind == "keycap" else f"{kind} with {parts}"
    return NOT_SAID.sub(" ", words.replace("’", "'")).strip()


def key(name: str) -> str:
    """Return only the letters and digits of a name, so that different spellings of it are equal."""
    return NOT_LETTERS.sub("", name.lower())


def _emoji(row: dict[str, Any], base: dict[str, Any]) -> Emoji:
    return Emoji(row["label"].lower(), tuple(base.get("tags", ())), base.get("group"), "tone" in row)
