"""Iterations that each block of a model needs, measured once and stored with the model."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..flow.flow import Flow
from ..flow.guidance import Guidance
from ..flow.predictor import Predictor
from .jacobi import Jacobi
from .sequential import Sequential

ENOUGH = 40  # iterations after which a block counts as one that needs as many as it has tokens, which pays nowhere


def count_iterations(
    flow: Flow,
    z: Tensor,
    condition: Tensor | None = None,
    *,
    guidance: float | Guidance = 0.0,
    unconditional: Tensor | None = None,
    tolerance: float = 0.01,
) -> tuple[int, ...]:
    """Iterations that each block needs, in data → noise order, with all tokens in the window and no drafts.

    Arguments as for `Flow.inverse`; a batch of a few typical conditions is enough.
    """
    counter = _Counter(tolerance)
    flow.inverse(z, condition, guidance=guidance, unconditional=unconditional, sampler=counter)
    return tuple(reversed(counter.counts))


class _Counter:
    """Counts the iterations of `Jacobi`, block by block; after `ENOUGH` of them it goes token by token."""

    def __init__(self, tolerance: float) -> None:
        self._jacobi = Jacobi(block_size=None, tolerance=tolerance, drafts=False)
        self.counts: list[int] = []

    def invert(self, predictor: Predictor, z: Tensor) -> Iterator[tuple[int, Tensor]]:
        self.counts.append(0)
        for step in self._jacobi.invert(predictor, z):
            self.counts[-1] += 1
            yield step
            if self.counts[-1] == ENOUGH < z.shape[1]:
                self.counts[-1] = z.shape[1]
                predictor.rollback(0)
                yield from Sequential().invert(predictor, z)
                return
