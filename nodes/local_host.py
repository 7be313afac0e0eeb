"""A host without memory management: all parts stay loaded, except text encoders of gigabytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from starflow_core.codecs.prompt_warning import warn
from starflow_core.codecs.text_encoder import TextEncoder
from starflow_core.lora.adapter import Lora
from starflow_core.lora.apply import with_loras
from starflow_core.progress import OnProgress
from starflow_core.quantization.formats import FORMATS
from starflow_core.samplers import Progress
from starflow_core.weights.fetch import fetch
from starflow_core.weights.model_folder import load
from starflow_core.weights.store import find
from starflow_core.weights.table import CHECKPOINTS

from . import files
from .values import Model, Placed

OWN = "default"


class LocalHost:
    """See `host.Host`.

    Args:
        report: called after every step of a sampler; an exception that it raises ends the sampling.
        device: as for `starflow_core.load`.
        on_progress: called after every step of other work; an exception that it raises ends it.
        folder: of the files that nodes write and read.
    """

    def __init__(
        self,
        report: Callable[[Progress], None] = lambda step: None,
        device: str | None = None,
        on_progress: OnProgress = lambda done, total: None,
        folder: Path = Path("output"),
    ) -> None:
        self._report, self._device, self._on_progress = report, device, on_progress
        self._folder = folder

    def load(self, name: str, dtype: str, accept_licence: bool) -> tuple[Model, Placed | None, Any]:
        if name in CHECKPOINTS and find(name) is None:
            fetch(name, accepts=lambda licence: accept_licence)
        precision = None if dtype == OWN else dtype if dtype in FORMATS else getattr(torch, dtype)
        pipeline = load(name, device=self._device, dtype=precision)
        encoder = None if pipeline.text_encoder is None else Placed(pipeline.text_encoder, pipeline.keep_text_encoder)
        model = Model(pipeline, Placed(pipeline.flow), Placed(pipeline.autoencoder), encoder)
        return model, encoder, pipeline.autoencoder

    def with_loras(self, model: Model, loras: Sequence[tuple[Lora, float]]) -> Model:
        pipeline = with_loras(model.pipeline, loras)
        return replace(model, pipeline=pipeline, flow=Placed(pipeline.flow))

    @contextmanager
    def in_memory(self, placed: Placed, memory: int) -> Iterator[None]:
        yield None
        if isinstance(placed.part, TextEncoder) and not placed.placement:
            placed.part.release()  # too large to keep for the next prompt

    def tell(self, remark: str) -> None:
        warn([remark])

    def progress(self, model: Model) -> Callable[[Progress], None]:
        return self._report

    def steps(self) -> OnProgress:
        return self._on_progress

    def saving(self, prefix: str, suffix: str, size: tuple[int, int]) -> files.Save:
        path = self._folder / files.checked_prefix(prefix, self._folder)
        return files.saving(self._folder, path.parent, path.name, suffix)

    def read(self, name: str, suffix: str) -> bytes:
        return files.read(name, [self._folder], suffix)
