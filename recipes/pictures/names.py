"""Names as people would say them, made of the names that files and icons have."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
BRACKETS = re.compile(r"\([^)]*\)|\[[^]]*\]")
NOT_WORDS = re.compile(r"[^\w'&+]+|_")
NUMBER_AT_END = re.compile(r"(?:\s+(?:v?\d+|i{2,3}|iv))+$|(?<=[a-z]{3})\d+$")
MAX_WORDS = 8
MAX_LETTERS = 16  # of a known word


def cleaned(name: str, variants: Iterable[str] = ()) -> str:
    """Lower-case words without brackets, numbers and the words for variants at their end; "" where nothing is left.

    Args:
        name: of a file or an icon: `setting-two`, `iceCream_01`.
        variants: words that tell a variant, not a subject: `two`, `filled`.
    """
    words = NOT_WORDS.sub(" ", CAMEL.sub(" ", BRACKETS.sub(" ", name))).lower().strip()
    variants = set(variants)
    while True:
        shorter = NUMBER_AT_END.sub("", words).strip()
        head, _, last = shorter.rpartition(" ")
        if head and last in variants:
            shorter = head
        if shorter == words:
            break
        words = shorter
    return _said(" ".join(words.split()[:MAX_WORDS]))


def split(joined: str, words: Mapping[str, int]) -> str:
    """A name whose words run together, `wolfface`, as the most probable known words; "" where they are not known.

    Args:
        joined: letters and digits.
        words: known ones, with how often they occur.
    """
    total = sum(words.values())
    ways: list[tuple[float, list[str]]] = [(0.0, [])]
    for end in range(1, len(joined) + 1):
        found: list[tuple[float, list[str]]] = [(math.inf, [])]
        for start in range(max(0, end - MAX_LETTERS), end):
            cost, before = ways[start]
            part = joined[start:end]
            if part in words:
                found.append((cost + math.log(total / words[part]), [*before, part]))
            elif part.isdigit():
                found.append((cost + math.log(total), [*before, part]))
        ways.append(min(found, key=lambda way: way[0]))
    return " ".join(ways[-1][1])


def _said(name: str) -> str:
    """A single letter or digit, as one says it; other names as they are."""
    if re.fullmatch(r"[a-z]", name):
        return f"letter {name}"
    if re.fullmatch(r"\d{1,2}", name):
        return f"number {name}"
    return name if re.search(r"[a-z]{2}", name) else ""
