"""Log-likelihoods of many pictures given many conditions, under the same noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..flow.flow import Flow
from ..flow.tokens import Grid
from ..progress import OnProgress
from .likelihood import TOKENS_AT_ONCE, with_training_noise


class Overflow(ValueError):
    """A log-likelihood is not finite."""


@dataclass(frozen=True)
class LogProbs:
    """Log-likelihoods of N data given P conditions, with K noise draws each, in nats.

    Attributes:
        draws: (N, P, K), one by one. Draw k has the same noise for every condition, so the noise does not cause
            differences between conditions.
        maps: (N, P, H/p, W/p), by token, the mean over the draws.
    """

    draws: Tensor
    maps: Tensor

    @property
    def log_prob(self) -> Tensor:
        """The mean over the draws, (N, P)."""
        return self.draws.mean(2)


def at_once(grid: Grid, number: int) -> int:
    """Return how many of `number` log-likelihoods over a token grid (H', W') to compute at once."""
    return min(number, max(1, TOKENS_AT_ONCE // math.prod(grid)))


@torch.no_grad()
def log_probs(
    flow: Flow,
    x: Tensor,
    conditions: Tensor | None,
    seeds: Sequence[int] | None,
    *,
    on_progress: OnProgress = lambda done, total: None,
) -> LogProbs:
    """Log-likelihoods of each datum given each condition.

    They are computed a few at a time, so memory does not grow with their number. What does not depend on the condition
    is computed once for all conditions.

    Args:
        flow: the model.
        x: (N, C, H, W), scaled latents, or pictures in [−1, 1].
        conditions: (P, …), features of prompts or labels; None for a model without either, where P is 1.
        seeds: the seeds of the K noise draws, which add noise as in training; None for data that have this noise
            already, as drawn data have before they are denoised. Then K is 1.
        on_progress: called with the number of finished log-likelihoods, and N·P·K; an exception that it raises ends
            the work.

    Raises:
        Overflow: the data are too unlike those that the model knows.
        ValueError: a shape does not fit the model, or there is no seed.
    """
    if seeds is not None and not seeds:
        raise ValueError("seeds is empty; give at least one, or None for data that have noise already.")
    H, W = flow.grid(x)
    N, K, P = len(x), len(seeds or (0,)), 1 if conditions is None else len(conditions)
    some = at_once((H, W), P)
    data_at_once = max(1, at_once((H, W), N * K * P) // some)
    places = [(n, k) for n in range(N) for k in range(K)]
    draws, maps = torch.zeros(N, P, K), torch.zeros(N, P, H, W)
    done = 0
    for first in range(0, len(places), data_at_once):
        batch = places[first : first + data_at_once]
        noised = torch.cat([_noised(flow, x[n], None if seeds is None else seeds[k]) for n, k in batch])
        for start in range(0, P, some):
            part = slice(start, start + some)
            found = flow.log_prob_maps(noised, None if conditions is None else conditions[part]).cpu()
            for (n, k), of_datum in zip(batch, found, strict=True):
                draws[n, part, k] = of_datum.sum((1, 2))
                maps[n, part] += of_datum / K
            done += len(batch) * found.shape[1]
            on_progress(done, N * P * K)
    if not draws.isfinite().all():
        raise Overflow(f"The likelihood overflows: these {flow.data} are too unlike those that the model knows.")
    return LogProbs(draws, maps)


def _noised(flow: Flow, x: Tensor, seed: int | None) -> Tensor:
    """Return one datum (1, C, H, W) with training noise; without a seed, return it unchanged."""
    return x[None] if seed is None else with_training_noise(flow, x, seed, 1)
