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

# Between what two jobs tell, one after the other: every yield takes a while of the loop that serves everybody. A cancel
# is noticed at the next one, since a generator can be closed only where it yields.
POLL_SECONDS = 0.1
PREVIEW_SECONDS = 0.15  # between the previews of a visitor's work; of work for several, as many times that
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
        seconds = PREVIEW_SECONDS * max(1, len(self._listeners))  # each takes and shows them by itself
        self._next_preview = now + max(seconds, (now - began) / PREVIEW_SHARE)

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
        self._jobs: list[_Job] = []  # that wait
        self._at_work: list[_Job] = []
        self._lock = threading.Lock()
        self._turns: Turns[_Job] = Turns(lambda job: job.owners)
        self._is_working = False

    def enter(self, job: _Job) -> None:
        with self._lock:
            self._jobs.append(job)
            if not self._is_working:
                self._is_working = True
                threading.Thread(target=self._work, daemon=True).start()

    def pace(self) -> float:
        """Seconds from one yield of a job to its next, so that those of all jobs together are no more for many."""
        with self._lock:
            return POLL_SECONDS * max(1, len(self._jobs) + len(self._at_work))

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
            self._at_work = chosen
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
    """Do the work; yields steps as they come, at the pace of the room, and at last what is done.

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
    last, due = Step(0.0), 0.0
    try:
        while True:
            news = _newest(listener, due, ROOM.pace())
            due = time.monotonic() + ROOM.pace()
            if isinstance(news, _Failed):
                raise news.error
            if isinstance(news, Done):
                yield news
                return
            last = news or Step(last.share)
            yield last
    finally:
        listener.has_left.set()


def _newest(listener: Listener, due: float, patience: float) -> Step | Done | _Failed | None:
    """The latest news, with the latest preview of what has come; None where there is none for as long as `patience`.

    Steps wait until `due`, a time of `time.monotonic`; what is done or has failed does not.
    """
    newest: Step | None = None
    end = max(due, time.monotonic() + patience)
    while (left := (due if newest else end) - time.monotonic()) > 0 or not listener.news.empty():
        try:
            news = listener.news.get(timeout=max(0.0, left))
        except queue.Empty:
            continue
        if not isinstance(news, Step):
            return news
        pictures = news.pictures or (newest.pictures if newest else None)
        newest = Step(news.share, pictures)
    return newest
