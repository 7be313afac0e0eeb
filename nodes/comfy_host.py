"""ComfyUI as the host of the nodes: its memory management, progress bar, previews and cancelling."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.utils
import folder_paths
from comfy_execution.utils import get_executing_context
from server import PromptServer

from starflow_core.lora.adapter import Lora
from starflow_core.progress import OnProgress
from starflow_core.samplers import Progress
from starflow_core.weights.store import Store, add_lora_place, add_place, find
from starflow_core.weights.table import CHECKPOINTS

from . import comfy_models, comfy_progress, files
from .comfy_preview import previewer
from .values import Model, Placed

PREVIEW_SECONDS = 0.3
FOLDER = "starflow"  # of ComfyUI's models


def add_models_folder() -> None:
    """Store models in `models/starflow`, and search them also where `extra_model_paths.yaml` says."""
    folder_paths.add_model_folder_path(FOLDER, str(Path(folder_paths.models_dir) / FOLDER))
    for path in map(Path, folder_paths.get_folder_paths(FOLDER)):
        add_place(Store(path / ".fetching", models=path))
    for path in map(Path, folder_paths.get_folder_paths("loras")):
        add_lora_place(path)


class ComfyHost:
    """See `host.Host`."""

    def __init__(self) -> None:
        add_models_folder()

    def load(self, name: str, dtype: str, accept_licence: bool) -> tuple[Model, Placed | None, Any]:
        if name in CHECKPOINTS and find(name) is None:
            self._fetch(name, accept_licence)
        return comfy_models.load(name, dtype, self.steps())

    def with_loras(self, model: Model, loras: Sequence[tuple[Lora, float]]) -> Model:
        return comfy_models.with_loras(model, loras)

    def _fetch(self, name: str, accept_licence: bool) -> None:
        """Download a model to `models/starflow`, with a progress bar; the user can cancel it."""
        from starflow_core.weights.fetch import LicenceError, fetch  # it would slow down ComfyUI's start

        report = self.steps()
        try:
            fetch(
                name,
                accepts=lambda licence: accept_licence,
                report=lambda step: report(step.done, step.total),
            )
        except LicenceError as error:
            raise ValueError(f"{error} Accept it with accept_licence of this node.") from error

    @contextmanager
    def in_memory(self, placed: Placed, memory: int) -> Iterator[int | None]:
        if placed.placement is None:
            yield None
            return
        free = comfy_models.bring(placed, memory)
        with comfy_progress.cancellable(placed.placement.model):
            yield free

    def tell(self, remark: str) -> None:
        """Write a remark below the node, and in the log."""
        logging.warning(remark)
        running = get_executing_context()
        if running is not None and PromptServer.instance is not None:
            PromptServer.instance.send_progress_text(remark, running.node_id)

    def progress(self, model: Model) -> Callable[[Progress], None]:
        bar, preview = comfy.utils.ProgressBar(1), previewer(model)
        shown = 0.0

        def report(step: Progress) -> None:
            nonlocal shown
            comfy.model_management.throw_exception_if_processing_interrupted()
            picture = None
            if preview is not None and time.monotonic() - shown > PREVIEW_SECONDS:
                picture, shown = preview(step.partial()), time.monotonic()
            bar.update_absolute(step.done, step.total, picture)

        return report

    def steps(self) -> OnProgress:
        return comfy_progress.bar()

    def saving(self, prefix: str, suffix: str, size: tuple[int, int]) -> files.Save:
        root = Path(folder_paths.get_output_directory())
        checked = files.checked_prefix(prefix, root)
        try:
            folder, stem, *_ = folder_paths.get_save_image_path(checked, str(root), *size)
        except OSError as error:
            raise ValueError(f"The output folder cannot be written: {error.strerror or error}.") from None
        return files.saving(root, Path(folder), stem, suffix)

    def read(self, name: str, suffix: str) -> bytes:
        return files.read(name, _roots(), suffix)

    def version(self, name: str, suffix: str) -> Any:
        """What changes when a file changes; None if it cannot be read."""
        try:
            return files.version(name, _roots(), suffix)
        except ValueError:
            return None


def _roots() -> list[Path]:
    return [Path(folder_paths.get_output_directory()), Path(folder_paths.get_input_directory())]
