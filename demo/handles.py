"""Models and latents of visitors, kept here and known outside by handles that nobody can guess."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

SECONDS = 3600.0  # that a handle is kept after its last use
PER_VISITOR = 64
BYTES_PER_VISITOR = 256 * 2**20


@dataclass
class Kept:
    """A value under a handle.

    Attributes:
        type: as nodes' sockets have it.
        number, label: for the person who chooses among several.
    """

    visitor: str
    type: str
    number: int
    label: str
    value: Any
    size: int
    used: float = field(default_factory=time.monotonic)


class Handles:
    """Of all visitors; what a visitor keeps is bounded, the oldest goes first.

    Args:
        seconds: that a handle is kept after its last use.
        count, size: handles, and bytes, a visitor.
    """

    def __init__(self, seconds: float = SECONDS, count: int = PER_VISITOR, size: int = BYTES_PER_VISITOR) -> None:
        self._seconds, self._count, self._size = seconds, count, size
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, visitor: str, type: str, label: str, value: Any) -> str:
        """Keep a value; returns its handle. The label gets a number, by which its visitor tells it from others."""
        handle = f"{type.lower()}-{secrets.token_urlsafe(16)}"
        with self._lock:
            self._forget_old()
            number = 1 + max((kept.number for kept in self._kept.values() if kept.visitor == visitor), default=0)
            self._kept[handle] = Kept(visitor, type, number, label, value, size_of(value))
            self._forget_beyond_bounds(visitor)
        return handle

    def get(self, handle: str, type: str) -> Any:
        """The value under a handle.

        Raises:
            ValueError: there is none, any more or of this type.
        """
        with self._lock:
            self._forget_old()
            kept = self._kept.get(handle)
            if kept is None:
                raise ValueError(f"There is nothing under the handle {handle[:40]!r} any more; run its node again.")
            if kept.type != type:
                raise ValueError(f"The handle {handle!r} is of a {kept.type}, and a {type} is needed here.")
            kept.used = time.monotonic()
            return kept.value

    def of(self, visitor: str, type: str) -> list[tuple[str, str]]:
        """Labels and handles of what a visitor keeps, the newest first."""
        with self._lock:
            mine = [(handle, kept) for handle, kept in self._kept.items() if kept.visitor == visitor]
        return [(f"{kept.number}: {kept.label}", handle) for handle, kept in mine if kept.type == type][::-1]

    def forget(self, visitor: str) -> None:
        """Let go of all that a visitor keeps."""
        with self._lock:
            for handle in [handle for handle, kept in self._kept.items() if kept.visitor == visitor]:
                del self._kept[handle]

    def _forget_old(self) -> None:
        oldest = time.monotonic() - self._seconds
        for handle in [handle for handle, kept in self._kept.items() if kept.used < oldest]:
            del self._kept[handle]

    def _forget_beyond_bounds(self, visitor: str) -> None:
        mine = [handle for handle, kept in self._kept.items() if kept.visitor == visitor]
        size = sum(self._kept[handle].size for handle in mine)
        for handle in mine[:-1]:  # the newest stays in any case
            if len(mine) <= self._count and size <= self._size:
                return
            size -= self._kept.pop(handle).size
            mine = mine[1:]


def size_of(value: Any) -> int:
    """Bytes of the tensors in lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return sum(map(size_of, value.values()))
    return sum(map(size_of, value)) if isinstance(value, (list, tuple)) else 0
