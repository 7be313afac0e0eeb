"""The Debian package `tango-icon-theme`: one SVG file per icon, named by its meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..drawing import Drawing
from ..table import PictureSet

# Parts of names that sort the icons, by their naming specification; the rest of a name says what the icon shows.
SORTED_BY = re.compile(
    r"^(accessories|applications|preferences(-desktop|-system)?|emblem|media|x-office|dialog|input|face)-|-x-generic"
)


def read(picture_set: PictureSet, folders: Mapping[str, Path]) -> Iterator[Drawing]:
    """Yield all icons, except links to other icons."""
    root = folders[picture_set.package] / "usr/share/icons/Tango/scalable"
    for file in sorted(root.rglob("*.svg")):
        if not file.is_symlink():
            yield Drawing(file.stem, _name(file.stem), file.read_text(), (), file.parent.name, cropped=True)


def _name(icon: str) -> str:
    """What an icon shows: `calculator` for `accessories-calculator`, `smiley wink` for `face-wink`."""
    shown = SORTED_BY.sub("", icon)
    return f"smiley {shown}" if icon.startswith("face-") and shown != "monkey" else shown
