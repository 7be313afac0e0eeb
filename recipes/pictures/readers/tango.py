"""The Debian package `tango-icon-theme`: an SVG file an icon, named by what it stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..drawing import Drawing
from ..table import PictureSet

# What the icons' naming specification sorts them by, around what they show.
SORTED_BY = re.compile(
    r"^(accessories|applications|preferences(-desktop|-system)?|emblem|media|x-office|dialog|input|face)-|-x-generic"
)


def read(picture_set: PictureSet, folders: Mapping[str, Path]) -> Iterator[Drawing]:
    """All icons; links to others are left out."""
    root = folders[picture_set.package] / "usr/share/icons/Tango/scalable"
    for file in sorted(root.rglob("*.svg")):
        if not file.is_symlink():
            yield Drawing(file.stem, _name(file.stem), file.read_text(), (), file.parent.name, cropped=True)


def _name(icon: str) -> str:
    """What an icon shows: `calculator` for `accessories-calculator`, `smiley wink` for `face-wink`."""
    shown = SORTED_BY.sub("", icon)
    return f"smiley {shown}" if icon.startswith("face-") and shown != "monkey" else shown
