"""The pictures in a folder, and what is said of each: in words, by class, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..insight.evaluation import SUFFIXES
from .captions import caption_beside
from .metadata import read_metadata


@dataclass(frozen=True)
class Listing:
    """Pictures in a folder, sorted by name.

    Attributes:
        folder: that they are in.
        files: their paths.
        captions: of each, "" for none: from metadata, or from the .txt file of its name.
        labels: the class of each, "" for none: from metadata, or the name of the folder that it lies in, if pictures
            lie in several.
        remarks: what is wrong in the folder, in sentences.
    """

    folder: Path
    files: tuple[Path, ...]
    captions: tuple[str, ...]
    labels: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def list_pictures(folder: Path) -> Listing:
    """List the pictures in a folder and its subfolders.

    Raises:
        ValueError: there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}.")
    every = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in every if path.suffix.lower() in SUFFIXES]
    known = {path.with_suffix("") for path in files}
    texts = [path for path in every if path.suffix.lower() == ".txt"]
    alone = sum(path.with_suffix("") not in known for path in texts)
    if not files:
        but = f" but {_plural(len(texts), 'text file')}" if texts else ""
        raise ValueError(f"There is no picture in {folder}{but}; {', '.join(SUFFIXES)} are looked for.")
    said, remarks = read_metadata(folder)
    if alone:
        remarks.append(_counted(alone, "text file", "has no picture", "have no pictures"))
    if missing := len(said.keys() - set(files)):
        remarks.append(_counted(missing, "row", "of metadata names no picture", "of metadata name no pictures"))
    captions = [(said[file].caption if file in said else "") or _caption(file, remarks.append) for file in files]
    labels = [said[file].label if file in said else "" for file in files]
    if not any(labels):
        labels = _folders(folder, files)
    return Listing(folder, tuple(files), tuple(captions), tuple(labels), tuple(remarks))


def class_names(listing: Listing) -> list[str]:
    """The names of the classes, sorted.

    Raises:
        ValueError: there are too many for the pictures.
    """
    names = sorted(set(listing.labels) - {""})
    empty = {path.name for path in listing.folder.iterdir() if path.is_dir() and not any(path.iterdir())}
    number = len(names) + len(empty - set(names)) if set(names) == set(_folders(listing.folder, listing.files)) else 0
    if max(number, 2 * len(names)) > len(listing.files):
        raise ValueError(
            f"There are {max(number, len(names))} classes for {_plural(len(listing.files), 'picture')}; give more "
            "pictures of each class, or train without classes (--condition nothing)."
        )
    return names


def _caption(picture: Path, failed: Callable[[str], None]) -> str:
    """The caption beside a picture; "" where there is none, or none that can be read."""
    try:
        return caption_beside(picture)
    except ValueError as error:
        failed(str(error))
        return ""


def _folders(folder: Path, files: list[Path] | tuple[Path, ...]) -> list[str]:
    """The name of each picture's folder, where they lie in several; "" for those in the folder itself."""
    names = ["" if file.parent == folder else file.parent.name for file in files]
    return names if len(set(names)) > 1 else [""] * len(files)


def _counted(number: int, what: str, one: str, many: str) -> str:
    return f"{_plural(number, what)} {one if number == 1 else many}."


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
