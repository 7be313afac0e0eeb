"""What a picture shows, in words."""

from __future__ import annotations

from dataclasses import dataclass

from .colours import COLOURS


@dataclass(frozen=True)
class Subject:
    """A picture's words: its name, further keywords, the emoji character itself; its group of emoji, and its style."""

    name: str
    keywords: tuple[str, ...]
    character: str
    image: str
    group: str
    style: str = "noto"

    @property
    def names_a_colour(self) -> bool:
        """Whether it would be something else in another colour, as a red heart would."""
        return any(word in COLOURS for word in self.name.split())
