"""Output for terminals of any encoding."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def printable(stream: TextIO) -> Iterator[None]:
    """Write characters that a stream's encoding lacks as escapes, such as `\\u8d64`; restore the stream afterwards.

    A pipe of Windows is in cp1252 and LC_ALL=C is ASCII: neither holds every prompt or file name, and the error would
    come when the work is done. A stream that a caller has put in the place of a terminal's, with no encoding, is left.
    """
    if not isinstance(stream, io.TextIOWrapper) or stream.errors != "strict":
        yield
        return
    stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        stream.reconfigure(errors="strict")
