"""Work in a thread of its own, told of step by step, that ends when nobody listens any more."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from PIL import Image

T = TypeVar("T")

POLL_SECONDS = 0.1  # in which a cancel is noticed, since a generator can be closed only where it yields
PREVIEW_SECONDS = 0.15
PREVIEW_SHARE = 0.1  # of the time, at most, that previews may take
MOST_SECONDS = 1800  # of a job, since others wait for it; the largest model takes most of that on a CPU


class Cancelled(BaseException):
    """Nobody waits for the work any more. No `Exception`, so that nothing on its way takes it for a mistake."""


@dataclass(frozen=True)
class Step:
    """How far the work is.

    Attributes:
        share: of the work, from 0 to 1.
        pictures: as they are at this step; None where there is no preview of it.
    """

    share: float
    pictures: list[Image.Image] | None = None


@dataclass(frozen=True)
class Done(Generic[T]):
    result: T


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class Watch:
    """What work tells of its steps.

    Args:
        seconds: that the work may take.
    """

    def __init__(self, seconds: float = MOST_SECONDS) -> None:
        self._end = time.monotonic() + seconds
        self.news: queue.SimpleQueue[Step | Done | _Failed] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._next_preview = 0.0

    def cancel(self) -> None:
        self._cancelled.set()

    def step(self, share: float, pictures: Callable[[], list[Image.Image]] | None = None) -> None:
        """A step is done; `pictures` are made where it is time to show some.

        Raises:
            Cancelled: nobody waits any more.
            ValueError: it takes too long.
        """
        if self._cancelled.is_set():
            raise Cancelled
        began = time.monotonic()
        if began > self._end:
            raise ValueError("This takes too long, and others wait; ask for fewer or smaller pictures.")
        if pictures is None or began < self._next_preview:
            self.news.put(Step(share))
            return
        self.news.put(Step(share, pictures()))
        now = time.monotonic()
        self._next_preview = now + max(PREVIEW_SECONDS, (now - began) / PREVIEW_SHARE)


_working = threading.Lock()  # until cancelled work has ended at its next step, nothing else begins


def in_steps(work: Callable[[Watch], T]) -> Iterator[Step | Done[T]]:
    """Run the work; yields steps as they come, at least ten times a second, and at last what is done.

    Closing the iterator cancels the work. That does not wait for its end, since Gradio closes iterators in the very
    loop that serves everybody.

    Raises:
        whatever the work raises.
    """
    watch = Watch()

    def run() -> None:
        try:
            with _working:
                watch.step(0.0)
                result = work(watch)
            watch.news.put(Done(result))
        except BaseException as error:  # it is raised again where people wait for it
            watch.news.put(_Failed(error))

    # With the caller's context, in which Gradio keeps whose request this is.
    threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()
    last = Step(0.0)
    try:
        while True:
            news = _newest(watch)
            if isinstance(news, _Failed):
                raise news.error
            if isinstance(news, Done):
                yield news
                return
            last = news or Step(last.share)
            yield last
    finally:
        watch.cancel()


def _newest(watch: Watch) -> Step | Done | _Failed | None:
    """The latest news, the latest with a preview of what has come since the last; None where there is none for long."""
    try:
        news = watch.news.get(timeout=POLL_SECONDS)
    except queue.Empty:
        return None
    while isinstance(news, Step) and not watch.news.empty():
        later = watch.news.get()
        if isinstance(later, Step) and later.pictures is None:
            later = Step(later.share, news.pictures)
        news = later
    return news
