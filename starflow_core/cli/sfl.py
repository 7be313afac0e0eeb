"""What `compress` and `decompress` share: where files go, and going on past those that fail."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .files import check_writable
from .names import Target, output_path
from .progress import say

SUFFIX = ".sfl"


def targets(paths: Sequence[str], output: str | None, kinds: Sequence[str]) -> list[tuple[Path, Target]]:
    """Pair files with those that are to be written, of the first kind where no name says another.

    Args:
        paths: what is read.
        output: a file, or a folder; None for files beside those that are read.
        kinds: suffixes of what can be written.

    Raises:
        ValueError: one file is to hold several, or cannot be written.
    """
    is_folder = output is not None and (output.endswith(("/", os.sep)) or Path(output).is_dir())
    if output is not None and not is_folder:
        if len(paths) > 1:
            raise ValueError(f"{output} cannot hold {len(paths)} pictures; give a folder, with / at its end.")
        pairs = [(Path(paths[0]), Target(output_path(output, kinds), is_asked_for=True))]
    else:
        folders = [Path(output) if output is not None else Path(path).parent for path in paths]
        pairs = [
            (Path(path), Target(folder / f"{Path(path).stem}{kinds[0]}", is_asked_for=False))
            for path, folder in zip(paths, folders, strict=True)
        ]
    for _, target in pairs:
        check_writable(target)
    return pairs


def each_told(pairs: Sequence[tuple[Path, Target]], one: Callable[[Path, Target], str]) -> int:
    """Do something to every file and print what it says; return 1 if one of them failed."""
    went_well = [_told(path, target, one) for path, target in pairs]
    return int(not all(went_well))


def _told(path: Path, target: Target, one: Callable[[Path, Target], str]) -> bool:
    """Whether it went well."""
    try:
        say(one(path, target))
    except (ValueError, OSError) as error:
        why = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.filename else error
        say(f"starflow: {path}: {why}", sys.stderr)
        return False
    return True
