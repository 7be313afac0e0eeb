"""Progress bars: on a terminal, and none in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from ..samplers import Progress


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[Progress], None]]:
    """A progress bar for a sampler; yields the callback that moves it."""
    from tqdm import tqdm

    with tqdm(desc=what, disable=None, leave=False, bar_format="{desc} {percentage:3.0f}% |{bar}| {remaining}") as bar:

        def report(step: Progress) -> None:
            bar.total = step.total
            bar.update(step.done - bar.n)

        yield report


@contextmanager
def picture_bar(unit: str = "picture") -> Iterator[Callable[[int, int], None]]:
    """A progress bar over pictures; yields the callback that moves it, which takes the numbers of done and of all."""
    from tqdm import tqdm

    with tqdm(disable=None, leave=False, unit=unit) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield report


def say(line: str, file: TextIO | None = None) -> None:
    """Print a line above the bar, where there is one; to the standard output unless told otherwise."""
    from tqdm import tqdm

    tqdm.write(line, file=file)
