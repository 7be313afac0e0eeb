"""Runs work in a thread, reports its steps, and ends it when nobody waits for it any more."""

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

# The time between the yields of two jobs: each yield takes time of the event loop, which serves all visitors. A job
# notices a cancel at its next yield, since a generator can be closed only where it yields.
POLL_SECONDS = 0.1
PREVIEW_SECONDS = 0.15  # between the previews of a job; in a batch of n jobs, n times as long
PREVIEW_SHARE = 0.1  # the largest share of the time that previews may take
MOST_SECONDS = 1800  # for a job, since others wait; the largest model takes most of it on a CPU


class Cancelled(BaseException):
    """Nobody waits for the work any more. It is no `Exception`, so that no handler on its way takes it for an error."""


@dataclass(frozen=True)
class Step:
    """The progress of work.

    Attributes:
        share: the finished share of the work, from 0 to 1.
        pictures: the pictures at this step; None if the step has no preview.
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
    """Receives the steps and the result of a job.

    Args:
        count: how many pictures of the batch are for this listener; all of them by default.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count
        self.news: queue.SimpleQueue[Step | Done | _Failed] = queue.SimpleQueue()
        self.has_left = threading.Event()


class Watch:
    """Sends the steps of work to its listeners.

    Args:
        seconds: the time that the work may take.
        listeners: those who wait for the work, in the order of their pictures.
    """

    def __init__(self, seconds: float = MOST_SECONDS, listeners: Sequence[Listener] = ()) -> None:
        self._end = time.monotonic() + seconds
        self._listeners = listeners
        self._next_preview = 0.0

    def step(self, share: float, pictures: Callable[[], list[Image.Image]] | None = None) -> None:
        """Report a finished step; call `pictures` if a preview is due.

        Raises:
            Cancelled: nobody waits any more.
            ValueError: the work takes too long.
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
        seconds = PREVIEW_SECONDS * max(1, len(self._listeners))  # each listener sends its previews separately
        self._next_preview = now + max(seconds, (now - began) / PREVIEW_SHARE)

    def _tell(self, share: float, pictures: list[Image.Image] | None) -> None:
        first = 0
        for listener in self._listeners:
            end = None if listener.count is None else first + listener.count
            listener.news.put(Step(share, None if pictures is None else pictures[first:end]))
            first = end or 0


@dataclass(frozen=True)
class Together(Generic[T]):
    """A request that can be done in one batch with others of the same kind.

    Attributes:
        kind: requests of equal kind can be in one batch.
        count: the number of pictures that the request asks for.
        request: the request; `run` takes a list of them.
        run: does the work of several requests and returns the result of each.
    """

    kind: Hashable
    count: int
    request: Any
    run: Callable[[list[Any], Watch], list[T]]


MOST_TOGETHER = 16  # pictures in a batch


@dataclass(eq=False)
class _Job:
    work: Together
    listener: Listener
    owners: tuple[str, str]
    # The context of the caller, in which Gradio keeps the request.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class Room:
    """The place where jobs wait: visitors take turns, and jobs of one kind are done in one batch."""

    def __init__(self) -> None:
        self._jobs: list[_Job] = []  # the waiting jobs
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
        """Return the seconds between yields of a job, in proportion to the number of jobs: the total rate is fixed."""
        with self._lock:
            return POLL_SECONDS * max(1, len(self._jobs) + len(self._at_work))

    def _work(self) -> None:
        """Do jobs until none waits."""
        while jobs := self._next():
            if jobs[0].context.run(_is_done, jobs):
                continue
            for job in jobs:  # one alone fails, and the others get their results
                job.context.run(_is_done, [job])

    def _next(self) -> list[_Job]:
        """Return the job whose turn it is, and the others that fit into its batch."""
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
    """Do jobs in one batch and send the results; return False if the batch failed, and each must be done alone."""
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
        for listener in listeners:  # `in_steps` raises it again
            listener.news.put(_Failed(error))
    return True


def in_steps(work: Callable[[Watch], T] | Together[T]) -> Iterator[Step | Done[T]]:
    """Do work; yield its steps at the pace of the room, and at last its result.

    Closing the iterator cancels the work. It does not wait until the work has ended, since Gradio closes iterators in
    the event loop, which serves all visitors.

    Raises:
        BaseException: whatever the work raises.
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
    """Return the newest step with the newest preview, or the end of the work; None if nothing comes.

    A step is returned no earlier than at `due`, a time of `time.monotonic`; a result or an error is returned at once.
    `patience` is the least time, in seconds, to wait for anything.
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
