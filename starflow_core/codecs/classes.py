"""The classes of a class-conditional flow, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import torch
from torch import Tensor

NO_CLASS = -1  # the label of an unknown class
LISTED = 40  # classes, up to which a message lists them all
NEAR = 6  # classes of similar names that a message offers


@dataclass(frozen=True)
class Classes:
    """Classes by name; a label is the place of its entry.

    Attributes:
        entries: the name of each class, and after it, with commas between, other spellings: `tench, Tinca tinca`.

    Raises:
        ValueError: names are missing, no texts, or the same but for case.
    """

    entries: tuple[str, ...]

    def __post_init__(self) -> None:
        entries = self.entries
        if not entries or not all(isinstance(entry, str) and _spellings(entry) for entry in entries):
            raise ValueError(f"classes is {list(entries)!r}; it must hold names, without spaces around them.")
        if len({name.casefold() for name in self.names}) < len(entries):
            raise ValueError(f"classes {', '.join(self.names)} names one twice.")

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each class, without other spellings."""
        return tuple(_spellings(entry)[0] for entry in self.entries)

    def encode(self, names: Sequence[str]) -> Tensor:
        """Labels (B,) of names, in any spelling and case; −1 for an empty name, the unknown class.

        Raises:
            ValueError: a class is unknown; the message lists the known ones, or those of similar names.
        """
        labels = [self._places.get(name.strip().casefold()) if isinstance(name, str) else None for name in names]
        for name, label in zip(names, labels, strict=True):
            if label is None:
                raise ValueError(f"There is no class {name!r}; {self._instead_of(name)}.")
        return torch.tensor(labels)

    @cached_property
    def _places(self) -> dict[str, int]:
        """Labels by all spellings; one that several classes share is the label of the class that it names, if any."""
        spelled: dict[str, set[int]] = {}
        for label, entry in enumerate(self.entries):
            for spelling in (*_spellings(entry), entry):
                spelled.setdefault(spelling.casefold(), set()).add(label)
        places = {spelling: labels.pop() for spelling, labels in spelled.items() if len(labels) == 1}
        return places | {name.casefold(): label for label, name in enumerate(self.names)} | {"": NO_CLASS}

    def _instead_of(self, name: object) -> str:
        if len(self.names) <= LISTED:
            return f"this model knows {', '.join(self.names)}"
        near = self._near(str(name).strip().casefold())
        known = f"this model knows {len(self.names):,}"
        return f"{known}, among them {', '.join(near)}" if near else f"{known}, which `starflow info` lists"

    def _near(self, name: str) -> list[str]:
        """Names of classes that contain a name, and then those of similar spelling."""
        within = [own for own in self.names if name in own.casefold()]
        similar = get_close_matches(name, self._places, NEAR)
        return list(dict.fromkeys([*within, *(self.names[self._places[spelling]] for spelling in similar)]))[:NEAR]


def _spellings(entry: str) -> tuple[str, ...]:
    """The spellings of an entry; none if one is empty or has spaces around it."""
    spellings = tuple(entry.split(", "))
    return spellings if all(spelling.strip(" ,\n\t") == spelling != "" for spelling in spellings) else ()
