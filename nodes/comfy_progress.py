"""ComfyUI's progress bar, and its button to cancel, which ends the work at the next layer of whatever computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import comfy.model_management
import comfy.utils
from torch import nn

from starflow_core.progress import OnProgress


def bar() -> OnProgress:
    """A progress bar of the node that runs, which shows (done, total); it raises where the person has cancelled."""
    shown = comfy.utils.ProgressBar(1)

    def report(done: int, total: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        shown.update_absolute(done, total)

    return report


@contextmanager
def cancellable(part: nn.Module) -> Iterator[None]:
    """Before every layer that a part computes, raise where the person has cancelled."""

    def check(*layer: Any) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()

    groups = [module for module in part.modules() if isinstance(module, nn.ModuleList)]
    hooks = [layer.register_forward_pre_hook(check) for group in groups for layer in group]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
