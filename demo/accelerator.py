"""One slot for the accelerator: one job at a time uses it, on this machine or on ZeroGPU.

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

SECONDS = 120  # for which a job may hold a ZeroGPU
# The concurrency limit of the events that compute. Only one job works at a time (see `steps.Room`). The other events
# run too, so that the job can include their requests in its batch.
AT_ONCE = 16 if spaces is None else 1
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "accelerator", "concurrency_limit": AT_ONCE}


def accelerated(function: F) -> F:
    """Run a function or a generator with a GPU of ZeroGPU; elsewhere, return the function unchanged.

    ZeroGPU runs it in a separate process. So arguments and results are pickled, and models are passed by name.
    """
    return function if spaces is None else spaces.GPU(duration=SECONDS)(function)
