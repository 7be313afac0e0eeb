"""The interface of samplers, and their progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..flow.predictor import Predictor


@dataclass(frozen=True)
class Progress:
    """Progress of sampling a batch, after a step.

    Attributes:
        done: work done, in tokens × layers.
        total: all the work, in the same unit.
        partial: computes the latents (B, C, H, W) at this step; unsolved tokens are still noise.
    """

    done: int
    total: int
    partial: Callable[[], Tensor]


ProgressCallback = Callable[[Progress], None]


class Sampler(Protocol):
    """An algorithm that inverts one block."""

    def invert(self, predictor: Predictor, z: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Solve x = mean(x) + scale(x)·z, where the prediction of a token depends on the tokens before it.

        Args:
            predictor: of the block; it has read the prompt and nothing else.
            z: noise (B, T, D) in the block's order.

        Yields:
            After every step, the number of final tokens, and all tokens (B, T, D); the rest are guesses.
            After the last step all are final. The next step may overwrite the tensor.
        """
        ...
