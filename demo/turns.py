"""Fair turns for visitors who share a resource."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
KNOWN = 10_000  # owners whose last turn is remembered


class Turns(Generic[T]):
    """An order of waiting things that gives every owner the same number of turns.

    First comes the first thing of each visitor, starting with the visitor whose last turn is longest ago. Then comes
    the second thing of each visitor, and so on. The things of one visitor are ordered by page in the same way. So a
    visitor who opens many pages gets no more turns, and people who share an address share its turns evenly.

    Args:
        owners: returns the owners of a thing: its visitor and the visitor's page.
    """

    def __init__(self, owners: Callable[[T], tuple[str, str]]) -> None:
        self._owners = owners
        self._turn = 0
        self._last: Counter[Hashable] = Counter()

    def took(self, thing: T) -> None:
        """Record that a thing had its turn."""
        self._turn += 1
        page = self._owners(thing)
        self._last[page] = self._last[page[0]] = self._turn
        if len(self._last) > KNOWN:
            self._last = Counter(dict(self._last.most_common(KNOWN // 2)))

    def ordered(self, things: Sequence[T]) -> list[T]:
        """Return the things in the order of their turns."""
        by_page = self._in_rounds(things, self._owners)
        return self._in_rounds(by_page, lambda thing: self._owners(thing)[0])

    def _in_rounds(self, things: Sequence[T], owner: Callable[[T], Hashable]) -> list[T]:
        earlier: Counter[Hashable] = Counter()
        places = []
        for i, thing in enumerate(things):
            name = owner(thing)
            places.append((earlier[name], self._last[name], i))
            earlier[name] += 1
        return [things[i] for _, _, i in sorted(places)]
