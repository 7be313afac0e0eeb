"""A picture of a set as its package has it, before it is rasterised."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Drawing:
    """A vector drawing (SVG text) or a picture's file, with the words that its package has for it."""

    id: str  # within its set
    name: str
    picture: str | Path
    keywords: tuple[str, ...] = ()
    category: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    said: bool = False  # whether the name is as people say it already
    cropped: bool = False  # whether empty borders are cut off
