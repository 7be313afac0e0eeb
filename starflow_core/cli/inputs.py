"""The pictures that a command is given: files, folders, and lists of both."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple


class Asked(NamedTuple):
    """A picture that was asked for.

    Attributes:
        path: of its file, as it was given, or below a folder as that was given.
        name: relative to the folder that it was found in; the file's name if it was given by itself.
        error: why there is no picture, of an empty folder; None elsewhere.
    """

    path: str
    name: str
    error: str | None = None


def add_input_options(command: argparse.ArgumentParser) -> None:
    """Pictures, folders, and a list of them."""
    command.add_argument("images", nargs="*", metavar="IMAGE", help="a picture file, or a folder of them")
    command.add_argument(
        "--files-from", metavar="LIST", help="a text file, one picture or folder a line; - for standard input"
    )
    command.set_defaults(usage_error=command.error)


def asked_pictures(options: argparse.Namespace, leave_out: Collection[Path] = ()) -> list[Asked]:
    """The pictures that the options ask for, in the order that they were given in; those of a folder by name.

    Args:
        options: of `add_input_options`.
        leave_out: folders whose files are no pictures to measure, wherever they lie.

    Raises:
        ValueError: the list cannot be read, or is empty.
    """
    given = [*options.images, *(_paths_in(options.files_from) if options.files_from else ())]
    if not given:
        options.usage_error("give a picture, a folder, or --files-from with a list of them")
    return [asked for path in given for asked in _pictures_of(path, [folder.resolve() for folder in leave_out])]


def _pictures_of(path: str, leave_out: list[Path]) -> Iterator[Asked]:
    """The picture of a path, or those in its folder."""
    from ..insight.evaluation import pictures_in

    if not os.path.isdir(path):
        yield Asked(path, os.path.basename(path))
        return
    try:
        found = [file for file in pictures_in(Path(path)) if not _is_inside(file, leave_out)]
    except ValueError as error:
        yield Asked(path, os.path.basename(path), str(error))
        return
    for file in found:
        yield Asked(str(file), str(file.relative_to(path)))


def _is_inside(file: Path, folders: list[Path]) -> bool:
    return any(file.resolve().is_relative_to(folder) for folder in folders)


def _paths_in(file: str) -> list[str]:
    """The lines of a text file that are not empty; in the encoding of file names.

    Raises:
        ValueError: there is no line, or one that is no path.
        OSError: the file cannot be read.
    """
    content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    if b"\0" in content:
        raise ValueError(f"{file} is no list of files: it holds zero bytes; write one path a line.")
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not (paths := [os.fsdecode(line) for line in (line.removesuffix(b"\r") for line in lines) if line]):
        raise ValueError(f"There is no path in {file}; write one a line.")
    return paths
