from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from golden import relative_error
from tiny import randn
from torch import Tensor

from starflow_core.samplers.secant import NeighbourSecant

B, T, D = 2, 48, 3
OFFSETS = randn(B, T, D)
# x_t = a_t + M_t·x_{t−1}: strong enough that the influence of a token is felt ten tokens on.
MATRICES = 0.8 * torch.linalg.qr(randn(B, T, D, D, seed=1))[0]
START = randn(B, 1, D, seed=2)  # the token before the first


def linear(x: Tensor) -> tuple[Tensor, Tensor]:
    """What each token is predicted from, and the prediction."""
    inputs = torch.cat([START, x[:, :-1]], dim=1)
    return inputs, OFFSETS + torch.einsum("btij,btj->bti", MATRICES, inputs)


def solution() -> Tensor:
    before, tokens = START[:, 0], []
    for t in range(T):
        before = OFFSETS[:, t] + torch.einsum("bij,bj->bi", MATRICES[:, t], before)
        tokens.append(before)
    return torch.stack(tokens, dim=1)


EXACT = solution()


def iterations(step: Callable[[Tensor], Tensor], limit: int = T) -> int:
    """Steps from zero to the solution."""
    x = torch.zeros(B, T, D)
    for i in range(limit):
        if relative_error(x, EXACT) < 1e-4:
            return i
        x = x + step(x)
    return limit


def plain(x: Tensor) -> Tensor:
    return linear(x)[1] - x


def accelerated(secant: NeighbourSecant, noise: float = 0.0) -> Callable[[Tensor], Tensor]:
    def step(x: Tensor) -> Tensor:
        inputs, outputs = linear(x)
        secant.learn(0, inputs, outputs, noise)
        return secant.solve(0, outputs - x)

    return step


def test_linear_recurrence_is_solved_in_fewer_iterations() -> None:
    without, with_secant = iterations(plain), iterations(accelerated(NeighbourSecant(OFFSETS)))
    assert without > 30
    assert with_secant < 0.6 * without


def test_more_sweeps_need_fewer_iterations() -> None:
    few, many = (iterations(accelerated(NeighbourSecant(OFFSETS, sweeps=sweeps))) for sweeps in (1, T))
    assert many < few


def test_first_step_is_a_plain_one() -> None:
    x = randn(B, T, D, seed=5)
    torch.testing.assert_close(accelerated(NeighbourSecant(OFFSETS))(x), plain(x))


def learnt(secant: NeighbourSecant, steps: int = 4) -> NeighbourSecant:
    x = torch.zeros(B, T, D)
    for _ in range(steps):
        x = x + accelerated(secant)(x)
    return secant


def test_dependence_on_the_predecessor_is_estimated_from_changes() -> None:
    secant = NeighbourSecant(OFFSETS, rank=8)
    for i in range(8):  # far apart, so that each change is new
        secant.learn(0, *linear(randn(B, T, D, seed=10 + i)))
    direction = randn(B, T, D, seed=30)
    expected = torch.einsum("btij,btj->bti", MATRICES, direction)
    assert relative_error(secant._apply(slice(0, T), direction), expected) < 0.6


def test_restart_forgets_what_was_learnt() -> None:
    secant, residual = learnt(NeighbourSecant(OFFSETS)), randn(B, T, D, seed=6)
    assert not torch.allclose(secant.solve(0, residual), residual)
    secant.restart()
    assert torch.equal(secant.solve(0, residual), residual)
    secant.learn(0, *linear(residual))  # nothing to take a difference from
    assert torch.equal(secant.solve(0, residual), residual)


def test_forgetting_outputs_keeps_what_was_learnt_from_them() -> None:
    secant, residual = learnt(NeighbourSecant(OFFSETS)), randn(B, T, D, seed=6)
    before = secant.solve(0, residual)
    secant.forget_outputs()
    inputs, outputs = linear(residual)
    secant.learn(0, inputs, outputs + 100)  # another function: its distance from the first one says nothing
    assert torch.equal(secant.solve(0, residual), before)


def test_changes_below_the_noise_teach_nothing() -> None:
    inputs, outputs = linear(randn(B, T, D))
    residual = randn(B, T, D, seed=6)
    for noise, taught in ((1e-4, False), (0.0, True)):
        secant = NeighbourSecant(OFFSETS)
        secant.learn(0, inputs, outputs, noise)
        secant.learn(0, inputs + 1e-5 * randn(B, T, D, seed=7), outputs + 1e-5 * randn(B, T, D, seed=8), noise)
        error = relative_error(secant.solve(0, residual), residual)
        assert (error > 0.1) == taught
        assert taught or error < 0.01


def test_equal_evaluations_teach_nothing() -> None:
    inputs, outputs = linear(randn(B, T, D))
    residual = randn(B, T, D, seed=6)
    secant = NeighbourSecant(OFFSETS)
    for _ in range(3):
        secant.learn(0, inputs, outputs)
    assert torch.equal(secant.solve(0, residual), residual)


def test_window_that_slides_learns_of_its_own_tokens_only() -> None:
    x = randn(B, T, D)
    inputs, outputs = linear(x)
    residual = randn(B, T, D, seed=6)
    secant = NeighbourSecant(OFFSETS)
    secant.learn(0, inputs[:, :10], outputs[:, :10])
    secant.learn(5, inputs[:, 5:20] + 1, outputs[:, 5:20] + 0.5)  # tokens 10 to 19 are new
    for new in (slice(0, 5), slice(10, T)):
        part = residual[:, new]
        assert torch.equal(secant.solve(new.start, part), part)
    part = residual[:, 5:10]
    assert not torch.allclose(secant.solve(5, part), part)


def test_answer_to_a_change_is_never_larger_than_the_change() -> None:
    inputs, outputs = linear(randn(B, T, D))
    change = randn(B, T, D, seed=7)
    secant = NeighbourSecant(OFFSETS)
    secant.learn(0, inputs, outputs)
    secant.learn(0, inputs + change, outputs + 1000 * randn(B, T, D, seed=8))
    answer = secant._apply(slice(0, T), change)
    assert bool((answer.norm(dim=-1) <= 1.001 * change.norm(dim=-1)).all())


@pytest.mark.parametrize("tokens", [1, 2])
def test_few_tokens_work(tokens: int) -> None:
    secant = NeighbourSecant(OFFSETS[:, :tokens])
    for seed in range(3):
        secant.learn(0, randn(B, tokens, D, seed=seed), randn(B, tokens, D, seed=seed + 9))
    assert secant.solve(0, randn(B, tokens, D)).shape == (B, tokens, D)
