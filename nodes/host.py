"""What a node needs of the program that runs it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from starflow_core.progress import OnProgress
from starflow_core.samplers import Progress

from .values import Model, Placed


class Host(Protocol):
    """ComfyUI, the demo, or a test."""

    def load(self, name: str, dtype: str, accept_licence: bool) -> tuple[Model, Placed | None, Any]:
        """A model with its text encoder and its autoencoder, the latter as the host's own nodes take it.

        One that is not on this machine is fetched, where its licence is accepted.

        Raises:
            ValueError: it cannot be had, its licence is not accepted, or something is wrong with it.
        """

    def in_memory(self, placed: Placed, memory: int) -> AbstractContextManager[int | None]:
        """Have a part where it computes, with as many bytes free beside it as it will need.

        Gives the bytes that are free in fact, which may be fewer; None where nobody counts them.
        """

    def progress(self, model: Model) -> Callable[[Progress], None]:
        """What to tell of every step of a sampler: it shows it, and raises where the person has cancelled."""

    def steps(self) -> OnProgress:
        """What to tell of every step of other work, in which nothing can be seen yet; it raises likewise."""
