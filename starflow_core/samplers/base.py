"""What a sampler is, and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..flow.predictor import Predictor


@dataclass(frozen=True)
class Progress:
    """Where the sampling of a batch stands after a step.

    Attributes:
        done: work done, in tokens × layers.
        total: all the work, in the same unit.
        partial: computes the latents (B, C, H, W) as they are at this step; what is not yet known is still noise.
    """

    done: int
    total: int
    partial: Callable[[], Tensor]


ProgressCallback = Callable[[Progress], None]


class Sampler(Protocol):
    """A way of inverting one block."""

    def invert(self, predictor: Predictor, z: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Solve x = mean(x) + scale(x)·z, where the prediction of a token depends on the tokens before it.

        Args:
            predictor: of the block; nothing but the prompt has been read.
            z: noise (B, T, D) in the block's order.

        Yields:
            After every step, the number of tokens that are final, and all tokens (B, T, D), the rest being guesses.
            The last step has all of them final. The tensor may be overwritten by the next step.
        """
        ...
