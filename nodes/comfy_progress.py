"""ComfyUI's progress bar and cancelling; a cancelled job ends at the next layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import comfy.model_management
import comfy.utils
from torch import nn

from starflow_core.progress import OnProgress


def bar() -> OnProgress:
    """A callback that shows (done, total) on the node's progress bar, and raises if the user cancelled."""
    shown = comfy.utils.ProgressBar(1)

    def report(done: int, total: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        shown.update_absolute(done, total)

    return report


@contextmanager
def cancellable(part: nn.Module) -> Iterator[None]:
    """Check before every layer of a part whether the user cancelled, and raise if so."""

    def check(*layer: Any) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()

    groups = [module for module in part.modules() if isinstance(module, nn.ModuleList)]
    hooks = [layer.register_forward_pre_hook(check) for group in groups for layer in group]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
