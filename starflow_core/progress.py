"""How far work is: a function that is told of it, and ends the work by raising."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[int, int], None]
"""Called as (done, total), in units of the work's own, after every part of it; what it raises ends the work."""


def part_of(on_progress: OnProgress, before: int, total: int) -> OnProgress:
    """A callback for one part of some work: it adds what was done `before`, and tells the `total` of all parts."""

    def report(done: int, _: int) -> None:
        on_progress(before + done, total)

    return report
