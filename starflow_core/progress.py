"""Progress callbacks; an exception that a callback raises ends the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[int, int], None]
"""Called as (done, total), in units of the work's own, after every part of it; what it raises ends the work."""


def part_of(on_progress: OnProgress, before: int, total: int) -> OnProgress:
    """A callback for one part of some work: it adds the work done `before`, and reports the `total` of all parts."""

    def report(done: int, _: int) -> None:
        on_progress(before + done, total)

    return report
