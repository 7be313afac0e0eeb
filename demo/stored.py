"""Files that nodes write here: values on wires as any other, kept under handles, and never on the disk."""

from __future__ import annotations

from pathlib import PurePath

FILE = "STARFLOW_FILE"  # the type of their handles


class Stored(str):
    """The name of a file, with its bytes; it may be pickled."""

    data: bytes

    @classmethod
    def of(cls, name: str, data: bytes) -> Stored:
        """Return a name with the bytes of its file."""
        made = cls(name)
        made.data = data
        return made


def named(prefix: str, number: int, suffix: str) -> str:
    """Return the name of a file, without the folders of its prefix."""
    return f"{PurePath(prefix).name}_{number:05}_{suffix}"
