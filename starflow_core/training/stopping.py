"""When a training ends before its last picture: it learns no more, or someone asks it to."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor


class Best:
    """The weights with the lowest held-out figure.

    Args:
        patience: figures in a row that may be above the lowest one; 0 for any number, which keeps no weights.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.figure, self.worse = math.inf, 0
        self.weights: dict[str, Tensor] | None = None

    def see(self, figure: float, weights: Mapping[str, Tensor]) -> None:
        """Note the figure of some weights, and keep a copy of them if it is the lowest."""
        if not self.patience:
            return
        if figure < self.figure:
            self.figure, self.worse = figure, 0
            self.weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        else:
            self.worse += 1

    @property
    def is_over(self) -> bool:
        """Whether the figure has not fallen for too long."""
        return bool(self.patience) and self.worse >= self.patience

    def state(self) -> dict[str, Any]:
        return {"figure": self.figure, "worse": self.worse, "weights": self.weights}

    def resume(self, state: dict[str, Any]) -> None:
        self.figure, self.worse, self.weights = state["figure"], state["worse"], state["weights"]


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM has come, asked between two steps; a second one ends the step, too."""
    if threading.current_thread() is not threading.main_thread():  # only the main one may catch signals
        yield lambda: False
        return
    asked: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
