"""A picture in the form that its package provides, before it is rasterised."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Drawing:
    """A vector drawing (SVG text) or the file of a picture, with the words that its package gives for it."""

    id: str  # within its set
    name: str
    picture: str | Path
    keywords: tuple[str, ...] = ()
    category: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    said: bool = False  # whether the name is already as people say it
    cropped: bool = False  # whether empty borders are cut off
