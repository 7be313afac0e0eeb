"""Models and latents of visitors, kept on the server; outside, a handle that nobody can guess stands for each."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from .stored import Stored

SECONDS = 3600.0  # for which a handle is kept after its last use
PER_VISITOR = 64
BYTES_PER_VISITOR = 256 * 2**20


@dataclass
class Kept:
    """A value that a handle stands for.

    Attributes:
        visitor: its owner.
        type: the type, as the sockets of nodes name it.
        number, label: what its owner sees in a list of handles.
        value: the value itself.
        size: the size, in bytes.
        used: the time of its last use, by the monotonic clock.
    """

    visitor: str
    type: str
    number: int
    label: str
    value: Any
    size: int
    used: float = field(default_factory=time.monotonic)


class Handles:
    """The handles of all visitors. Each visitor has limits; beyond them, the oldest handles are dropped first.

    Args:
        seconds: how long a handle is kept after its last use.
        count, size: the most handles and bytes per visitor.
    """

    def __init__(self, seconds: float = SECONDS, count: int = PER_VISITOR, size: int = BYTES_PER_VISITOR) -> None:
        self._seconds, self._count, self._size = seconds, count, size
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, visitor: str, type: str, label: str, value: Any) -> str:
        """Keep a value and return its handle; a number before the label tells it from the visitor's other handles."""
        handle = f"{type.lower()}-{secrets.token_urlsafe(16)}"
        with self._lock:
            self._forget_old()
            number = 1 + max((kept.number for kept in self._kept.values() if kept.visitor == visitor), default=0)
            self._kept[handle] = Kept(visitor, type, number, label, value, size_of(value))
            self._forget_beyond_bounds(visitor)
        return handle

    def get(self, handle: str, type: str) -> Any:
        """Return the value of a handle.

        Raises:
            ValueError: the handle is unknown or dropped, or its value has another type.
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
        """Return the labels and handles of a visitor's values of a type, the newest first."""
        with self._lock:
            mine = [(handle, kept) for handle, kept in self._kept.items() if kept.visitor == visitor]
        return [(f"{kept.number}: {kept.label}", handle) for handle, kept in mine if kept.type == type][::-1]

    def forget(self, visitor: str) -> None:
        """Drop all values of a visitor."""
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
        for handle in mine[:-1]:  # the newest always stays
            if len(mine) <= self._count and size <= self._size:
                return
            size -= self._kept.pop(handle).size
            mine = mine[1:]


def size_of(value: Any) -> int:
    """Return the bytes of the tensors and files in a value, which may be nested lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        return value.nbytes
    if isinstance(value, Stored):
        return len(value.data)
    if isinstance(value, dict):
        return sum(map(size_of, value.values()))
    return sum(map(size_of, value)) if isinstance(value, (list, tuple)) else 0
