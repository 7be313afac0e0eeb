"""Parallel sampling: all tokens of a window at once, iterated to the sequential solution."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from ..flow.predictor import Predictor
from .fixed_point import FixedPoint
from .sequential import Sequential

# The errors of the blocks add up; each block gets this share of the tolerance.
BLOCK_SHARE = 0.5
# The cost of reading a block's weights, in rows of its matrix products: measured on a CPU; elsewhere a step for one
# token is so short that launching it dominates.
WEIGHT_ROWS = {"cpu": 10}
WEIGHT_ROWS_ELSEWHERE = 256
# An iteration's share of the cost of all tokens in float32: some are drafts, and late ones see only the last tokens.
DRAFTED_COST, WINDOWED_COST = 0.5, 0.8


@dataclass(frozen=True)
class Jacobi:
    """Fixed-point iteration x ← mean(x) + scale(x)·z over a sliding window of tokens.

    A token's prediction depends only on the tokens before it, so the first token of the window is exact after one
    iteration, and the window converges to the sequential result. Converged tokens leave the window to the left and are
    never computed again. The neighbour secant cuts the number of iterations, bfloat16 drafts make the first ones cheap,
    and the window keeps matrix products large.

    Attributes:
        block_size: tokens in the window; None for all.
        tolerance: relative L2 error against `Sequential`; rounding bounds it from below.
        max_iterations: iterations after which a token is final in any case; None for as many as the tolerance needs.
        drafts: begin in bfloat16 where that is faster and the model is float32; the last iterations are float32.
        iterations: how many each block needs, in data → noise order, as `count_iterations` measures them on a model.
            A block that costs less token by token is sampled in this way. None: iterate on every block.

    Raises:
        ValueError: an attribute is out of range; or, when a block is sampled, `iterations` has no count for it.
    """

    block_size: int | None = 256
    tolerance: float = 0.01
    max_iterations: int | None = None
    drafts: bool = True
    iterations: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.block_size is not None and self.block_size < 1:
            raise ValueError(f"block_size is {self.block_size}; it must be 1 or more, or None for all tokens.")
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise ValueError(f"tolerance is {self.tolerance}; it must be a positive number, such as 0.01.")
        if self.iterations is not None and any(count < 1 for count in self.iterations):
            raise ValueError(f"iterations is {self.iterations}; each block needs 1 or more.")
        if self.max_iterations is not None and self.max_iterations < 1:
            raise ValueError(f"max_iterations is {self.max_iterations}; it must be 1 or more, or None.")

    def invert(self, predictor: Predictor, z: Tensor) -> Iterator[tuple[int, Tensor]]:
        drafts = self.drafts and predictor.drafts_are_faster
        if z.shape[1] == 1 or not self._pays(predictor, z.shape[1], drafts):
            yield from Sequential().invert(predictor, z)
            return
        iteration = FixedPoint(predictor, z)
        if drafts:
            for _ in iteration.draft(predictor.draft()):
                yield 0, iteration.x
        share = self.tolerance * BLOCK_SHARE
        for known in iteration.solve(predictor, share, self.block_size, self.max_iterations):
            yield known, iteration.x

    def _pays(self, predictor: Predictor, tokens: int, drafts: bool) -> bool:
        """Whether a block's iterations on all tokens cost less than one step per token."""
        if self.iterations is None:
            return True
        index = predictor.block.shape.index
        if index >= len(self.iterations):
            raise ValueError(
                f"iterations is {self.iterations}, which has no count for block {index + 1} of this flow; give one for "
                "each of its blocks, as count_iterations does, or None."
            )
        weights = WEIGHT_ROWS.get(predictor.device.type, WEIGHT_ROWS_ELSEWHERE)
        step = weights + predictor.rows
        iteration = weights + predictor.rows * tokens * (DRAFTED_COST if drafts else WINDOWED_COST)
        return self.iterations[index] * iteration < tokens * step
