"""What `compress` and `decompress` share: codecs, where files go, and going on past those that fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .files import check_writable
from .names import Target, output_folder, output_path
from .progress import say

if TYPE_CHECKING:
    from ..compression.lossy import LossyCodec

SUFFIX = ".sfl"


@cache  # files of one model share it
def lossy_codec(model: str) -> LossyCodec:
    """Return the codec of a model.

    Raises:
        ValueError: there is no such model, or it is none to compress with.
    """
    import torch

    from ..compression.lossy import LossyCodec
    from ..weights.model_folder import load

    return LossyCodec(load(model, dtype=torch.float32))


def targets(paths: Sequence[str], output: str | None, kinds: Sequence[str]) -> list[tuple[Path, Target]]:
    """Pair files with those that are to be written, of the first kind where no name says another.

    Args:
        paths: what is read.
        output: a file, or a folder; None for files beside those that are read.
        kinds: suffixes of what can be written.

    Raises:
        ValueError: one file is to hold several, or cannot be written.
    """
    folder = output_folder(output, None, kinds)
    if output is not None and folder is None:
        if len(paths) > 1:
            raise ValueError(f"{output} cannot hold {len(paths)} pictures; give a folder, with / at its end.")
        pairs = [(Path(paths[0]), Target(output_path(output, kinds), is_asked_for=True))]
    else:
        folders = [Path(path).parent if output is None or folder is None else folder for path in paths]
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
