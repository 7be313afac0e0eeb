"""Parallel sampling: all tokens of a window at once, iterated to the sequential solution."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..predictor import Predictor
from .secant import NeighbourSecant
from .sequential import Sequential

# Errors of the blocks add up on the way to the data; each block gets this share of the tolerance.
BLOCK_SHARE = 0.4
# Relative error that rounding leaves, whatever the iteration does, by the dtype of the weights.
ROUNDING = {torch.float32: 1e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}
# Drafts end when a step is not much larger than rounding, or hardly smaller than the one before.
DRAFT_STEP = 5.0
STALLED = 0.92
STALLED_STEP = 2.0
MAX_DRAFTS = 12
# What reading a block's weights costs, in rows of its matrix products: on a CPU as measured; elsewhere a step for one
# token is so short that starting it is what takes the time.
WEIGHT_ROWS = {"cpu": 10}
WEIGHT_ROWS_ELSEWHERE = 256
# An iteration's share of the cost of all tokens in float32: some are drafts, and late ones see only the last tokens.
DRAFTED_COST, WINDOWED_COST = 0.5, 0.8


@dataclass(frozen=True)
class Jacobi:
    """Fixed-point iteration x ← mean(x) + scale(x)·z over a sliding window of tokens.

    A token's prediction depends only on the tokens before it, so the first token of the window is exact after one
    iteration, and whatever the window has converged to is the sequential result. Tokens that have converged leave the
    window to the left and are never computed again. Three things make it fast: the neighbour secant cuts the number of
    iterations, bfloat16 drafts make the first of them cheap, and the window keeps matrix products large.

    Attributes:
        block_size: tokens in the window; None for all.
        tolerance: relative L2 error against `Sequential` that is asked for; no smaller than rounding leaves.
        max_iterations: iterations after which a token is accepted as it is; None for as many as the tolerance needs.
        drafts: begin in bfloat16 where that is faster and the model is float32; the last iterations never are.
        iterations: how many each block needs, in data → noise order, as `count_iterations` measures them on a model.
            A block where going token by token costs less is sampled like that. None: iterate on every block.
    """

    block_size: int | None = 128
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
        draft = predictor.draft() if self.drafts else None
        if self.iterations and not _pays(
            self.iterations[predictor.block.index], predictor, z.shape[1], draft is not None
        ):
            yield from Sequential().invert(predictor, z)
            return
        solver = _Solver(self, predictor, z)
        if draft is not None:
            for _ in solver.draft(draft):
                yield 0, solver.x
        for known in solver.run(predictor, max(self.tolerance * BLOCK_SHARE, ROUNDING[predictor.dtype])):
            yield known, solver.x


def _pays(iterations: int, predictor: Predictor, tokens: int, drafts: bool) -> bool:
    """Whether so many iterations on all tokens cost less than a step for each token."""
    weights = WEIGHT_ROWS.get(predictor.device.type, WEIGHT_ROWS_ELSEWHERE)
    step = weights + predictor.rows
    iteration = weights + predictor.rows * tokens * (DRAFTED_COST if drafts else WINDOWED_COST)
    return iterations * iteration < tokens * step


class _Solver:
    """The tokens being solved for, and what was learnt about them."""

    def __init__(self, settings: Jacobi, predictor: Predictor, z: Tensor) -> None:
        self.settings, self.z = settings, z
        self.contexts, self.x, self.free = predictor.start(z)
        self.secant = NeighbourSecant(z)
        self.contraction = 1.0
        self.dtype = predictor.dtype

    def draft(self, predictor: Predictor) -> Iterator[None]:
        """Iterate on all tokens in low precision for as long as that brings them closer."""
        last_change: Tensor | None = None
        for _ in range(MAX_DRAFTS):
            rounding = ROUNDING[predictor.dtype] * float(self.x.square().mean().sqrt())
            change = self._iterate(predictor, self.free, self.x.shape[1], noise=rounding**2)
            predictor.rollback(0)
            yield
            self._update_contraction(change, last_change)
            stalled = last_change is not None and self.contraction > STALLED
            if stalled or float(change.square().mean().sqrt()) < DRAFT_STEP * rounding:
                break
            last_change = change
        self.secant.forget_outputs()

    def run(self, predictor: Predictor, tolerance: float) -> Iterator[int]:
        """Iterate until every token's estimated error is below `tolerance`; yields the number of tokens that are."""
        T = self.x.shape[1]
        size = self.settings.block_size or T
        limit = self.settings.max_iterations or T
        entered = [0] * T  # iteration at which each token came into the window
        last_change: Tensor | None = None
        start, end, iteration = self.free, 0, 0
        while start < T:
            new_end = min(T, start + size)
            entered[end:new_end] = [iteration] * (new_end - end)
            end = new_end
            change = self._iterate(predictor, start, end)
            iteration += 1
            self._update_contraction(change, last_change)
            converged = self._converged(change, tolerance, end)
            expired = sum(iteration - entered[t] >= limit for t in range(start, end))
            done = max(1, converged, expired)  # all before it being final, the first token is exact
            last_change = change[:, done:]
            start += done
            predictor.rollback(start - self.free)
            yield start

    def _iterate(self, predictor: Predictor, start: int, end: int, noise: float = 0.0) -> Tensor:
        """One accelerated iteration on tokens start to end; the size of each token's change, (B, N)."""
        inputs = self.contexts[:, start - self.free : end - self.free]
        mean, scale = predictor.predict(inputs)
        x = self.x[:, start:end]
        target = torch.addcmul(mean, scale, self.z[:, start:end])
        self.secant.learn(start, inputs, target, noise)
        step = self.secant.solve(start, target - x)
        x += step
        return step.square().mean(-1).sqrt()

    def _update_contraction(self, change: Tensor, last_change: Tensor | None) -> None:
        """Estimate by what factor an iteration shrinks the error, from two changes of the same tokens."""
        if last_change is None or not last_change.shape[1]:
            return
        ratio = float((change[:, : last_change.shape[1]].norm() / last_change.norm().clamp(min=1e-30)).item())
        self.contraction = min(max(ratio, 0.1), 1.0) if math.isfinite(ratio) else 1.0
        if self.contraction == 1.0:
            self.secant.restart()

    def _converged(self, change: Tensor, tolerance: float, end: int) -> int:
        """How many tokens at the start of the window have together an estimated error below the tolerance."""
        if self.contraction > STALLED:  # it shrinks no more; what is left may be rounding
            tolerance = max(tolerance, STALLED_STEP * ROUNDING[self.dtype])
        magnitude = self.x[:, :end].square().mean((1, 2)).sqrt()
        error = change * self.contraction / magnitude[:, None]
        tokens = torch.arange(1, error.shape[1] + 1, device=error.device)
        below = (error.square().cumsum(1) <= tolerance**2 * tokens).all(0)
        return int((below * tokens).max().item())
