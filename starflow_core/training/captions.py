"""Captions in text files beside pictures."""

from __future__ import annotations

from pathlib import Path


def caption_beside(picture: Path) -> str:
    """The caption in the .txt file of a picture's name, in one line; "" where there is none.

    Raises:
        ValueError: the file is no text.
    """
    file = picture.with_suffix(".txt")
    try:
        return " ".join(file.read_text(encoding="utf-8-sig").split()) if file.is_file() else ""
    except UnicodeDecodeError:
        raise ValueError(f"{file} is no text in UTF-8; save it as that.") from None
