"""`.pth` files from before torch 1.6: five pickles one after another, and then the numbers."""

from __future__ import annotations

import io
from pathlib import Path

from .pickles import MAX_PICKLE, check_pickle

# The first pickle is this number, in protocol 2.
START = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
PICKLES = 5  # that number, the version of the format, sizes of numbers, the tensors, and the names of their storages


def is_old(path: Path) -> bool:
    """Whether a file begins as one of the old format."""
    try:
        with path.open("rb") as file:
            return file.read(len(START)) == START
    except OSError:
        return False


def check(path: Path) -> None:
    """Inspect all pickles of a file of the old format, without unpickling any.

    Raises:
        ValueError: one does more than name tensors, or is damaged or cut short.
    """
    with path.open("rb") as file:
        start = io.BytesIO(file.read(MAX_PICKLE))
    for _ in range(PICKLES):
        check_pickle(path, start)
