"""Pictures read by threads while others are measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

READERS = 4  # threads; decoding a photograph takes longer than a small model on a GPU does


def read_ahead(read: Callable[[T], R], batches: Sequence[Sequence[T]]) -> Iterator[list[R]]:
    """Yield what `read` returns for each item, a batch at a time; meanwhile, threads read the next batch."""
    reader = ThreadPoolExecutor(min(READERS, os.cpu_count() or 1))
    try:
        ahead: list[list[Future[R]]] = []
        for number in range(len(batches)):
            waiting = batches[number + len(ahead) : number + 2]
            ahead += [[reader.submit(read, item) for item in batch] for batch in waiting]
            yield [item.result() for item in ahead.pop(0)]
    finally:
        reader.shutdown(cancel_futures=True)
