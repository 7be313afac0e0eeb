"""ComfyUI as the program that runs the nodes: its memory management, progress bar, previews and cancelling."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import comfy.model_management
import comfy.utils

from starflow_core.samplers import Progress

from . import comfy_models
from .comfy_preview import previewer
from .values import Model, Placed

PREVIEW_SECONDS = 0.3


class ComfyHost:
    """See `host.Host`."""

    def load(self, name: str, dtype: str) -> tuple[Model, Placed | None, Any]:
        return comfy_models.load(name, dtype)

    @contextmanager
    def in_memory(self, placed: Placed, memory: int) -> Iterator[None]:
        if placed.placement is not None:
            comfy.model_management.load_models_gpu([placed.placement], memory_required=memory)
        yield

    def progress(self, model: Model) -> Callable[[Progress], None]:
        bar, preview = comfy.utils.ProgressBar(1), previewer(model)
        shown = 0.0

        def report(step: Progress) -> None:
            nonlocal shown
            picture = None
            if preview is not None and time.monotonic() - shown > PREVIEW_SECONDS:
                picture, shown = preview(step.partial()), time.monotonic()
            bar.update_absolute(step.done, step.total, picture)  # which raises where the person has cancelled

        return report
