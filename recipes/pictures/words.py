"""The lists of words in `words.toml`."""

from __future__ import annotations

from functools import cache

from .table import read_toml


@cache
def words(kind: str) -> frozenset[str]:
    """Return a list of words, by its name in the file."""
    listed = read_toml("words.toml")[kind]
    return frozenset(listed.split() if isinstance(listed, str) else listed)
