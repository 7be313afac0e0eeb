"""The English words in the names of pictures. They serve to split joined names and to recognise foreign ones."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from . import emoji
from .table import sets
from .words import words

WORD = re.compile(r"[a-z]+")
MIN_LETTERS = 3
JOINED = frozenset(picture_set.key for picture_set in sets().values() if picture_set.joined)


def counted(folders: Mapping[str, Path]) -> Counter[str]:
    """Count how often each word occurs in names and keywords of emoji, and in names of the icons in `iconify`."""
    return _counted(folders["emojibase"], folders.get("iconify"))


def is_english(name: str, words: Mapping[str, int]) -> bool:
    """Whether at least half of a name's words are known."""
    own = [word for word in WORD.findall(name) if len(word) >= MIN_LETTERS]
    return bool(own) and 2 * sum(word in words for word in own) >= len(own)


@cache
def _counted(emojibase: Path, iconify: Path | None) -> Counter[str]:
    names = [words for known in emoji.by_code(emojibase).values() for words in (known.name, *known.tags)]
    for file in sorted((iconify / "json").glob("*.json")) if iconify else ():
        if file.stem not in JOINED:
            names.extend(json.loads(file.read_text())["icons"])
    return Counter(word for word in _words(names) if len(word) >= MIN_LETTERS or word in words("short"))


def _words(names: Iterable[str]) -> Iterable[str]:
    return (word for name in names for word in WORD.findall(name.lower()))
