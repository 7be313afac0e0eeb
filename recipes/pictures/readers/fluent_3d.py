"""The npm package `@lobehub/fluent-emoji-3d`: one WebP file per emoji, named by its code points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from .. import emoji
from ..drawing import Drawing
from ..table import PictureSet


def read(picture_set: PictureSet, folders: Mapping[str, Path]) -> Iterator[Drawing]:
    """Yield the emoji that have a name."""
    names = emoji.by_code(folders["emojibase"])
    for file in sorted((folders[picture_set.package] / "assets").glob("*.webp")):
        known = names.get(emoji.plain(file.stem))
        if known is not None and known.wanted:
            yield Drawing(file.stem, emoji.said(known.name), file, known.tags, str(known.group), said=True)
