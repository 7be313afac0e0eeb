"""Names as people say them, made from the names of files and icons."""

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
    """Return lower-case words, without brackets, and without numbers and variants at the end; "" if nothing is left.

    Args:
        name: the name of a file or an icon: `setting-two`, `iceCream_01`.
        variants: words that name a variant, not a subject: `two`, `filled`.
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
    """Split a name such as `wolfface` into the most probable known words; "" if known words cannot form it.

    Args:
        joined: the name, of letters and digits.
        words: the known words, with how often each occurs.
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
    """Return "letter a" or "number 12" for such a name, "" for a name without a word, and other names unchanged."""
    if re.fullmatch(r"[a-z]", name):
        return f"letter {name}"
    if re.fullmatch(r"\d{1,2}", name):
        return f"number {name}"
    return name if re.search(r"[a-z]{2}", name) else ""
