"""A local quasi-Newton acceleration: how each token depends on the one before it, learnt while iterating."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-20
RANK = 6  # updates kept


class NeighbourSecant:
    """Broyden's method (Math. Comp. 19, 1965), restricted to each token's dependence on its predecessor.

    A token's prediction depends most on the token before it, which reaches the output directly through the residual
    stream. For each token t, the changes of input and output between two evaluations of F, which are made anyway, give
    an estimate of the matrix A_t ≈ ∂F_t/∂x_{t−1} as rank-one updates; the last few are kept.

    Args:
        like: tokens (B, T, D) to solve for.
        rank: updates kept.
        sweeps: terms of the Neumann series that solves the linear recurrence along the tokens.
    """

    def __init__(self, like: Tensor, rank: int = RANK, sweeps: int = 8) -> None:
        B, T, D = like.shape
        self.rank, self.sweeps = rank, sweeps
        # A_t = Σ_i left_i ⊗ right_i
        self._left = like.new_zeros(B, T, rank, D)
        self._right = like.new_zeros(B, T, rank, D)
        self._inputs, self._outputs = like.new_zeros(B, T, D), like.new_zeros(B, T, D)
        self._evaluated = 0
        self._next = 0

    def forget_outputs(self) -> None:
        """Skip the secant between the last evaluation and the next one; call this when F changes."""
        self._evaluated = 0

    def restart(self) -> None:
        """Discard all updates; call this when the steps grow."""
        self._left.zero_()
        self._evaluated = 0

    def learn(self, start: int, inputs: Tensor, outputs: Tensor, noise: float = 0.0) -> None:
        """Update A from an evaluation of F.

        Args:
            start: index of the first token evaluated.
            inputs: (B, N, D), the predecessors of the tokens, as they were when F was evaluated.
            outputs: (B, N, D), F of the tokens.
            noise: mean square of the rounding errors of F; smaller changes of the input are ignored.
        """
        end = start + inputs.shape[1]
        known = max(min(self._evaluated, end), start)
        if known > start:
            at = slice(start, known)
            self._left[:, at, self._next] = 0  # drop the oldest update
            change = inputs[:, : known - start] - self._inputs[:, at]
            error = outputs[:, : known - start] - self._outputs[:, at] - self._apply(at, change)
            square = change.square().sum(-1, keepdim=True)
            # Bound each token's response by the change itself, so that the recurrence cannot diverge.
            damping = (square / (error.square().sum(-1, keepdim=True) + EPSILON)).sqrt().clamp(max=1)
            self._left[:, at, self._next] = error * damping
            self._right[:, at, self._next] = change / (square + noise * change.shape[-1] + EPSILON)
            self._next = (self._next + 1) % self.rank
        self._inputs[:, start:end] = inputs
        self._outputs[:, start:end] = outputs
        self._evaluated = max(self._evaluated, end)

    def solve(self, start: int, residual: Tensor) -> Tensor:
        """The step from x to the solution of x_t + step_t = F_t(x) + A_t·step_{t−1}.

        Args:
            start: index of the first token.
            residual: (B, N, D), F(x) − x of the tokens; the token before them is final.
        """
        at = slice(start, start + residual.shape[1])
        step = residual
        for _ in range(min(self.sweeps, residual.shape[1] - 1)):
            before = torch.nn.functional.pad(step[:, :-1], (0, 0, 1, 0))
            step = residual + self._apply(at, before)
        return step

    def _apply(self, at: slice, change: Tensor) -> Tensor:
        weights = (self._right[:, at] * change[:, :, None]).sum(-1, keepdim=True)
        return (self._left[:, at] * weights).sum(2)
