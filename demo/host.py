"""The host that the nodes run in: it loads models, limits memory, reports progress and keeps files."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from nodes.files import Save, checked_prefix
from nodes.local_host import LocalHost
from nodes.values import Model, Placed
from starflow_core.progress import OnProgress
from starflow_core.samplers import Progress

from .models import MODELS
from .steps import Watch
from .stored import Stored, named

MOST_MEMORY = 4 * 2**30  # bytes of a job, without the model's weights


class DemoHost(LocalHost):
    """An implementation of `nodes.host.Host` that shares models between visitors and reports the steps of sampling.

    Args:
        watch: gets every step, with a preview when one is due.
        tell: gets the remarks of nodes; by default, remarks are dropped.
    """

    def __init__(self, watch: Watch, tell: Callable[[str], object] = lambda remark: None) -> None:
        super().__init__()
        self._watch, self._share, self._tell = watch, 0.0, tell

    def load(self, name: str, dtype: str, accept_licence: bool) -> tuple[Model, Placed | None, Any]:
        return MODELS.load(name, dtype)

    @contextmanager
    def in_memory(self, placed: Placed, memory: int) -> Iterator[None]:
        if memory > MOST_MEMORY:
            raise ValueError(
                f"This would take {memory / 2**30:.0f} GB of memory, and a job may take {MOST_MEMORY // 2**30} here; "
                "ask for fewer or smaller pictures."
            )
        with super().in_memory(placed, memory):
            yield

    def tell(self, remark: str) -> None:
        self._tell(remark)

    def progress(self, model: Model) -> Callable[[Progress], None]:
        def report(step: Progress) -> None:
            def pictures() -> list[Image.Image]:
                return model.pipeline.decode(step.partial())

            self._share = step.done / step.total
            self._watch.step(self._share, pictures)

        return report

    def steps(self) -> OnProgress:
        """Make other work than sampling cancellable too; the shown progress stays that of the sampling."""
        return lambda done, total: self._watch.step(self._share)

    def saving(self, prefix: str, suffix: str, size: tuple[int, int]) -> Save:
        checked = checked_prefix(prefix, Path(os.sep))
        numbers = itertools.count(1)
        return lambda data: Stored.of(named(checked, next(numbers), suffix), data)

    def read(self, name: str, suffix: str) -> bytes:
        if not isinstance(name, Stored):
            raise ValueError("Only files that were made here are read; run STARFlow Compress first.")
        return name.data
