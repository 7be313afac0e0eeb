"""A host without memory management: all parts stay loaded, except text encoders of gigabytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from starflow_core.codecs.prompt_warning import warn
from starflow_core.codecs.text_encoder import TextEncoder
from starflow_core.progress import OnProgress
from starflow_core.samplers import Progress
from starflow_core.weights.fetch import fetch
from starflow_core.weights.model_folder import load
from starflow_core.weights.store import find
from starflow_core.weights.table import CHECKPOINTS

from .values import Model, Placed

OWN = "default"


class LocalHost:
    """See `host.Host`.

    Args:
        report: called after every step of a sampler; an exception that it raises ends the sampling.
        device: as for `starflow_core.load`.
        on_progress: called after every step of other work; an exception that it raises ends it.
    """

    def __init__(
        self,
        report: Callable[[Progress], None] = lambda step: None,
        device: str | None = None,
        on_progress: OnProgress = lambda done, total: None,
    ) -> None:
        self._report, self._device, self._on_progress = report, device, on_progress

    def load(self, name: str, dtype: str, accept_licence: bool) -> tuple[Model, Placed | None, Any]:
        if name in CHECKPOINTS and find(name) is None:
            fetch(name, accepts=lambda licence: accept_licence)
        pipeline = load(name, device=self._device, dtype=None if dtype == OWN else getattr(torch, dtype))
        encoder = None if pipeline.text_encoder is None else Placed(pipeline.text_encoder, pipeline.keep_text_encoder)
        model = Model(pipeline, Placed(pipeline.flow), Placed(pipeline.autoencoder), encoder)
        return model, encoder, pipeline.autoencoder

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
