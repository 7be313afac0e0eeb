"""The lists of words in `words.toml`."""

from __future__ import annotations

from functools import cache

from .table import read_toml


@cache
def words(kind: str) -> frozenset[str]:
    """One of the lists, by its name there."""
    listed = read_toml("words.toml")[kind]
    return frozenset(listed.split() if isinstance(listed, str) else listed)
