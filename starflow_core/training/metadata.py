"""What `metadata.jsonl` and `metadata.csv` say of pictures, in the format of Hugging Face's imagefolder."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

FILES = ("metadata.jsonl", "metadata.csv")
FILE_NAME = "file_name"
CAPTIONS = ("text", "caption", "prompt")  # names of a column with captions, the first that is there
LABELS = ("label", "class")


class Said(NamedTuple):
    """What is said of a picture: a caption and the name of a class, "" for none."""

    caption: str
    label: str


def read_metadata(folder: Path) -> tuple[dict[Path, Said], list[str]]:
    """What the metadata in a folder and its subfolders says, by the path of the picture; and error messages.

    A line that names no file becomes an error message; one that cannot be read ends its file. Paths are relative to the
    folder of the metadata.
    """
    found: dict[Path, Said] = {}
    errors: list[str] = []
    for file in sorted(path for name in FILES for path in folder.rglob(name)):
        for number, row in _rows(file, errors.append):
            name = row.get(FILE_NAME) if isinstance(row, dict) else None
            if isinstance(name, str) and name:
                found[file.parent / name] = Said(_first(row, CAPTIONS), _first(row, LABELS))
            else:
                errors.append(f"{file}, line {number}, names no file; it needs {FILE_NAME!r}.")
    return found, errors


def _rows(file: Path, failed: Callable[[str], None]) -> Iterator[tuple[int, Any]]:
    """The rows of a file with their lines' numbers, up to one that cannot be read."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            if file.suffix == ".csv":
                yield from enumerate(csv.DictReader(opened), 2)
            else:
                yield from ((number, json.loads(line)) for number, line in enumerate(opened, 1) if line.strip())
    except (OSError, ValueError, csv.Error) as error:
        failed(f"{file} cannot be read as metadata, or only in part: {error}.")


def _first(row: dict[str, object], names: tuple[str, ...]) -> str:
    """The value of the first of some columns that is there, in one line."""
    value = next((row[name] for name in names if row.get(name) not in (None, "")), "")
    return " ".join(str(value).split())
