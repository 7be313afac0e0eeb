"""The interface of the program that runs the nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from starflow_core.lora.adapter import Lora
from starflow_core.progress import OnProgress
from starflow_core.samplers import Progress

from .files import Save
from .values import Model, Placed


class Host(Protocol):
    """ComfyUI, the demo, or a test."""

    def load(self, name: str, dtype: str, accept_licence: bool) -> tuple[Model, Placed | None, Any]:
        """A model with its text encoder, and its autoencoder in the form of the host's own nodes.

        A model that is not on this machine is downloaded, if its licence is accepted.

        Raises:
            ValueError: it is not available, its licence is not accepted, or it is damaged.
        """

    def with_loras(self, model: Model, loras: Sequence[tuple[Lora, float]]) -> Model:
        """The model with LoRAs, each with a strength.

        Raises:
            ValueError: one is of another model, or a strength is out of range.
        """

    def in_memory(self, placed: Placed, memory: int) -> AbstractContextManager[int | None]:
        """Move a part to its device, with the given number of bytes free beside it.

        Returns the free bytes, which may be fewer; None on a host that does not count them.
        """

    def tell(self, remark: str) -> None:
        """Show a remark beside the node that runs, in a sentence."""

    def progress(self, model: Model) -> Callable[[Progress], None]:
        """A callback for every step of a sampler; it shows the step, and raises if the user cancelled."""

    def steps(self) -> OnProgress:
        """A callback for every step of other work, without a preview; it raises likewise."""

    def saving(self, prefix: str, suffix: str, size: tuple[int, int]) -> Save:
        """Check that files can be written, and return what writes one: it takes the bytes and returns the file's name.

        Args:
            prefix: how the names begin; folders may be before it.
            suffix: how they end.
            size: width and height of the pictures, which a prefix may name.

        Raises:
            ValueError: the prefix leads out of the folder of files, or they cannot be written there.
        """

    def read(self, name: str, suffix: str) -> bytes:
        """Read a file in the host's folders, as by a name that `saving` gave.

        Raises:
            ValueError: there is none, or it is in another place.
        """
