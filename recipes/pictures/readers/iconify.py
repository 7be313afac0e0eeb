"""The sets of the npm package `@iconify/json`: one JSON file per set, with the bodies of the drawings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import emoji
from ..drawing import Drawing
from ..table import PictureSet

INK = "#000000"  # the colour of drawings without a colour of their own


def read(picture_set: PictureSet, folders: Mapping[str, Path]) -> Iterator[Drawing]:
    """Yield the set's drawings that are neither hidden nor in a skipped category."""
    package = folders[picture_set.package]
    content = json.loads((package / "json" / f"{picture_set.key}.json").read_text())
    categories = {icon: category for category, icons in (content.get("categories") or {}).items() for icon in icons}
    words = _emoji_of(content, folders["emojibase"]) if picture_set.group == "emoji" else {}
    for icon, entry in content["icons"].items():
        category = categories.get(icon, "")
        if entry.get("hidden") or category in picture_set.skip:
            continue
        known = words.get(icon)
        if known is not None and not known.wanted:
            continue
        yield Drawing(
            icon,
            emoji.said(known.name) if known else icon,
            svg(content, entry),
            known.tags if known else (),
            category,
            said=known is not None,
            cropped=picture_set.cropped,
        )


def _emoji_of(content: dict[str, Any], emojibase: Path) -> dict[str, emoji.Emoji]:
    """Return the emoji that each icon shows: by its character if the set gives one, otherwise by its name."""
    by_code, by_name = emoji.by_code(emojibase), emoji.by_name(emojibase)
    found = {icon: by_name[emoji.key(icon)] for icon in content["icons"] if emoji.key(icon) in by_name}
    for code, icon in (content.get("chars") or {}).items():
        if (known := by_code.get(emoji.plain(code))) is not None:
            found[icon] = known
    return found


def svg(content: dict[str, Any], entry: dict[str, Any]) -> str:
    left, top, width, height = (
        entry.get(side, content.get(side, default))
        for side, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" width="{width}" height="{height}">'
        f"{entry['body'].replace('currentColor', INK)}</svg>"
    )
