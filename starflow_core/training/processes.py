"""The processes that train one model together, each on a device of its own; `accelerate launch` starts them."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor


class Processes:
    """One process, or several, which see other pictures each, and average their gradients.

    Attributes:
        rank: of this process, from 0.
        count: of all processes.
        device: of this process; None where it is free to choose.
    """

    rank = 0
    count = 1
    device: torch.device | None = None

    def average(self, tensors: list[Tensor]) -> None:
        """Replace tensors by their mean over all processes."""

    def gathered(self, value: Any) -> list[Any]:
        """A value of each process."""
        return [value]

    def wait(self) -> None:
        """Wait until all processes are here."""

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0


class Accelerated(Processes):
    """Processes that accelerate joins."""

    def __init__(self, device: str | None) -> None:
        from accelerate import Accelerator

        self._accelerator = Accelerator(cpu=device == "cpu")
        self.rank, self.count = self._accelerator.process_index, self._accelerator.num_processes
        self.device = self._accelerator.device

    def average(self, tensors: list[Tensor]) -> None:
        for tensor in tensors:
            tensor.copy_(self._accelerator.reduce(tensor, reduction="mean"))

    def gathered(self, value: Any) -> list[Any]:
        from accelerate.utils import gather_object

        return list(gather_object([value]))

    def wait(self) -> None:
        self._accelerator.wait_for_everyone()


def processes(device: str | None = None) -> Processes:
    """The processes that this one was started with.

    Args:
        device: a kind of device to train on; None for the best.

    Raises:
        ValueError: there are several, and accelerate is missing.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
        return Processes()
    try:
        return Accelerated(device)
    except ModuleNotFoundError:
        raise ValueError("Several processes need accelerate; `pip install starflow[train]` brings it.") from None
