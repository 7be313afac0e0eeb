"""Work in a thread of its own, told of step by step, that ends when nobody listens any more."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from PIL import Image

from .turns import Turns
from .visitors import current_owners

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


class Listener:
    """Who waits for work.

    Args:
        count: of the work's pictures, those that are for this one.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count
        self.news: queue.SimpleQueue[Step | Done | _Failed] = queue.SimpleQueue()
        self.has_left = threading.Event()


class Watch:
    """What work tells of its steps.

    Args:
        seconds: that the work may take.
        listeners: who wait for it, in the order of their pictures.
    """

    def __init__(self, seconds: float = MOST_SECONDS, listeners: Sequence[Listener] = ()) -> None:
        self._end = time.monotonic() + seconds
        self._listeners = listeners
        self._next_preview = 0.0

    def step(self, share: float, pictures: Callable[[], list[Image.Image]] | None = None) -> None:
        """A step is done; `pictures` are made where it is time to show some.

        Raises:
            Cancelled: nobody waits any more.
            ValueError: it takes too long.
        """
        if self._listeners and all(listener.has_left.is_set() for listener in self._listeners):
            raise Cancelled
        began = time.monotonic()
        if began > self._end:
            raise ValueError("This takes too long, and others wait; ask for fewer or smaller pictures.")
        if pictures is None or began < self._next_preview:
            self._tell(share, None)
            return
        self._tell(share, pictures())
        now = time.monotonic()
        self._next_preview = now + max(PREVIEW_SECONDS, (now - began) / PREVIEW_SHARE)

    def _tell(self, share: float, pictures: list[Image.Image] | None) -> None:
        first = 0
        for listener in self._listeners:
            end = None if listener.count is None else first + listener.count
            listener.news.put(Step(share, None if pictures is None else pictures[first:end]))
            first = end or 0


@dataclass(frozen=True)
class Together(Generic[T]):
    """Work that is done at once with others' of the same kind.

    Attributes:
        kind: of what can be done at once.
        count: pictures that are asked for.
        request: what `run` takes a list of.
        run: does the work of several requests; returns their results.
    """

    kind: Hashable
    count: int
    request: Any
    run: Callable[[list[Any], Watch], list[T]]


MOST_TOGETHER = 16  # pictures


@dataclass(eq=False)
class _Job:
    work: Together
    listener: Listener
    owners: tuple[str, str]
    # The caller's, in which Gradio keeps whose request this is.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class Room:
    """Where jobs wait for the one that works: in turns between visitors, and those that fit together at once."""

    def __init__(self) -> None:
        self._jobs: list[_Job] = []
        self._lock = threading.Lock()
        self._turns: Turns[_Job] = Turns(lambda job: job.owners)
        self._is_working = False

    def enter(self, job: _Job) -> None:
        with self._lock:
            self._jobs.append(job)
            if not self._is_working:
                self._is_working = True
                threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        """Until nobody waits."""
        while jobs := self._next():
            if jobs[0].context.run(_is_done, jobs):
                continue
            for job in jobs:  # whosever fault it is, the others get theirs
                job.context.run(_is_done, [job])

    def _next(self) -> list[_Job]:
        """The job whose turn it is, and others that fit to it."""
        with self._lock:
            ordered = self._turns.ordered([job for job in self._jobs if not job.listener.has_left.is_set()])
            chosen: list[_Job] = []
            for job in ordered:
                count = sum(one.work.count for one in chosen) + job.work.count
                if not chosen or (job.work.kind == chosen[0].work.kind and count <= MOST_TOGETHER):
                    chosen.append(job)
            for job in chosen:
                self._turns.took(job)
            self._jobs = [job for job in ordered if job not in chosen]
            self._is_working = bool(chosen)
            return chosen


ROOM = Room()


def _is_done(jobs: list[_Job]) -> bool:
    """Do the work of jobs at once, and tell those who wait; whether that is done, or each is to be done by itself."""
    listeners = [job.listener for job in jobs]
    watch = Watch(listeners=listeners)
    try:
        watch.step(0.0)
        results = jobs[0].work.run([job.work.request for job in jobs], watch)
        for listener, result in zip(listeners, results, strict=True):
            listener.news.put(Done(result))
    except BaseException as error:
        if len(jobs) > 1 and isinstance(error, Exception):
            return False
        for listener in listeners:  # it is raised again where people wait for it
            listener.news.put(_Failed(error))
    return True


def in_steps(work: Callable[[Watch], T] | Together[T]) -> Iterator[Step | Done[T]]:
    """Do the work; yields steps as they come, at least ten times a second, and at last what is done.

    Closing the iterator cancels the work. That does not wait for its end, since Gradio closes iterators in the very
    loop that serves everybody.

    Raises:
        whatever the work raises.
    """
    if not isinstance(work, Together):
        alone = work
        work = Together(object(), 1, None, lambda _, watch: [alone(watch)])
        listener = Listener()
    else:
        listener = Listener(work.count)
    ROOM.enter(_Job(work, listener, current_owners()))
    last = Step(0.0)
    try:
        while True:
            news = _newest(listener)
            if isinstance(news, _Failed):
                raise news.error
            if isinstance(news, Done):
                yield news
                return
            last = news or Step(last.share)
            yield last
    finally:
        listener.has_left.set()


def _newest(listener: Listener) -> Step | Done | _Failed | None:
    """The latest news, the latest with a preview of what has come since the last; None where there is none for long."""
    try:
        news = listener.news.get(timeout=POLL_SECONDS)
    except queue.Empty:
        return None
    while isinstance(news, Step) and not listener.news.empty():
        later = listener.news.get()
        if isinstance(later, Step) and later.pictures is None:
            later = Step(later.share, news.pictures)
        news = later
    return news
