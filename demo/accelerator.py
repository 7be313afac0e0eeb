"""One slot for the accelerator: jobs that need it wait for each other, on this machine and on ZeroGPU.

Import this before torch: ZeroGPU lends its GPU only to programs that import `spaces` first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

try:
    import spaces
except ImportError:
    spaces = None

F = TypeVar("F", bound=Callable[..., Any])

SECONDS = 120  # that a job may hold a ZeroGPU
# Of every event that computes. One works at a time, see `steps.Room`; others are there, so that it can take them along.
AT_ONCE = 16 if spaces is None else 1
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "accelerator", "concurrency_limit": AT_ONCE}


def accelerated(function: F) -> F:
    """Run a function, or a generator, with a GPU where one is lent by the job.

    There, it runs in a process of its own: what goes in and comes out is pickled, and models are reached by name.
    """
    return function if spaces is None else spaces.GPU(duration=SECONDS)(function)
