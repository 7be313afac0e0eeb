"""The fixed-point iteration on a block's tokens: window, drafts, and the estimate of the remaining error."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ..flow.predictor import Predictor
from .secant import NeighbourSecant

# Relative error of rounding, by the dtype of the transformer; tokens are float32.
ROUNDING = {torch.float64: 1e-6, torch.float32: 1e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}
# Drafts end when a step is near rounding, or hardly smaller than the step before.
DRAFT_STEP = 5.0
MAX_DRAFTS = 12
# An iteration that shrinks its steps by less has stalled; with steps near rounding, it ends.
STALLED = 0.92
STALLED_STEP = 2.0
# The smallest share of an error that the estimate assumes an iteration to remove.
MIN_GAIN = 0.1


class FixedPoint:
    """The tokens of a block on their way to x = mean(x) + scale(x)·z.

    Args:
        predictor: of the block; it has read the prompt and nothing else.
        z: noise (B, T, D) in the block's order.

    Attributes:
        x: the tokens (B, T, D), overwritten by every iteration.
    """

    def __init__(self, predictor: Predictor, z: Tensor) -> None:
        self._z = z
        self._contexts, self.x, self._free = predictor.start(z)
        self._secant = NeighbourSecant(z)
        self._contraction = 1.0  # factor by which an iteration shrinks the error

    def draft(self, predictor: Predictor) -> Iterator[None]:
        """Iterate on all tokens with a predictor of low precision, while this brings them closer."""
        last_change: Tensor | None = None
        for _ in range(MAX_DRAFTS):
            rounding = ROUNDING[predictor.dtype] * float(self.x.square().mean().sqrt())
            change = self._iterate(predictor, self._free, self.x.shape[1], noise=rounding**2)
            predictor.rollback(0)
            yield
            self._update_contraction(change, last_change)
            stalled = last_change is not None and self._contraction > STALLED
            if stalled or float(change.square().mean().sqrt()) < DRAFT_STEP * rounding:
                break
            last_change = change
        self._secant.forget_outputs()

    def solve(
        self, predictor: Predictor, tolerance: float, window: int | None, max_iterations: int | None
    ) -> Iterator[int]:
        """Iterate until the estimated relative error of all tokens is below `tolerance`.

        Args:
            predictor: to iterate with.
            tolerance: relative L2 error.
            window: number of tokens to iterate on at once; None for all.
            max_iterations: iterations after which a token is final in any case; None for no bound.

        Yields:
            After every iteration, the number of final tokens.
        """
        T = self.x.shape[1]
        entered = [0] * T  # iteration at which each token came into the window
        last_change: Tensor | None = None
        start, end, iteration = self._free, 0, 0
        while start < T:
            new_end = min(T, start + (window or T))
            entered[end:new_end] = [iteration] * (new_end - end)
            end = new_end
            change, size = self._on_host(self._iterate(predictor, start, end), end)
            iteration += 1
            self._update_contraction(change, last_change)
            expired = sum(iteration - entered[t] >= (max_iterations or T) for t in range(start, end))
            # The first token is exact, because all before it are final.
            done = max(1, expired, self._converged(change, size, tolerance, predictor.dtype, end))
            last_change = change[:, done:]
            start += done
            predictor.rollback(start - self._free)
            yield start

    def _iterate(self, predictor: Predictor, start: int, end: int, noise: float = 0.0) -> Tensor:
        """One accelerated iteration on tokens start to end; returns the size of each token's change, (B, N)."""
        inputs = self._contexts[:, start - self._free : end - self._free]
        mean, scale = predictor.predict(inputs)
        x = self.x[:, start:end]
        target = torch.addcmul(mean, scale, self._z[:, start:end])
        self._secant.learn(start, inputs, target, noise)
        step = self._secant.solve(start, target - x)
        x += step
        return step.square().mean(-1).sqrt()

    def _update_contraction(self, change: Tensor, last_change: Tensor | None) -> None:
        """Estimate by what factor an iteration shrinks the error, from two changes of the same tokens."""
        if last_change is None or not last_change.shape[1]:
            return
        ratio = float(change[:, : last_change.shape[1]].norm() / last_change.norm().clamp(min=1e-30))
        self._contraction = min(max(ratio, 0.1), 1.0) if math.isfinite(ratio) else 1.0
        if self._contraction == 1.0:
            self._secant.restart()

    def _on_host(self, change: Tensor, end: int) -> tuple[Tensor, Tensor]:
        """The change (B, N) and the size (B, 1) of the tokens up to `end`, for the decisions about an iteration.

        They come to the CPU in one copy: every copy waits for the device.
        """
        size = self.x[:, :end].square().mean((1, 2)).sqrt()
        both = torch.cat([change, size[:, None]], dim=1).cpu()
        return both[:, :-1], both[:, -1:]

    def _converged(self, change: Tensor, size: Tensor, tolerance: float, dtype: torch.dtype, end: int) -> int:
        """Number of first tokens in the window whose joint estimated error is below the tolerance.

        If steps shrink by ρ, the error after a step is ρ/(1 − ρ) times the step. But the keys and values that tokens
        leave for later ones are from before the step, and lack it whole.
        """
        tolerance = max(tolerance, ROUNDING[dtype])
        if self._contraction > STALLED:  # the rest may be rounding
            tolerance = max(tolerance, STALLED_STEP * ROUNDING[dtype])
        left = self._contraction / max(1 - self._contraction, MIN_GAIN)
        step = change / size
        if end == self.x.shape[1] and bool((step.square().mean(1).sqrt() * left <= tolerance).all()):
            return step.shape[1]
        tokens = torch.arange(1, step.shape[1] + 1, device=step.device)
        below = ((step * max(left, 1.0)).square().cumsum(1) <= tolerance**2 * tokens).all(0)
        return int((below * tokens).max())
