"""The best of several pictures of the same prompt."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..flow.flow import Flow
from .scoring import Overflow, log_probs

DRAWS = 4  # of noise, each the same for all candidates


def best(flow: Flow, x: Tensor, conditions: Tensor | None, *, clean: bool) -> int:
    """The place of the datum that its prompt explains best: of the largest log p(x|prompt) − log p(x).

    Without conditions it is the likeliest one. Data that overflow are never the best, unless all do.

    Args:
        flow: the model.
        x: candidates (N, C, H, W).
        conditions: (2, …), that of the empty prompt and that of the prompt; None for a model without conditions.
        clean: whether the data are without the noise of training.

    Raises:
        ValueError: a shape does not fit the model.
    """
    scores = [_score(flow, one[None], conditions, clean) for one in x]
    return max(range(len(x)), key=scores.__getitem__)


def _score(flow: Flow, x: Tensor, conditions: Tensor | None, clean: bool) -> float:
    """In nats; −∞ for a datum (1, C, H, W) that overflows."""
    if not x.isfinite().all():
        return -math.inf
    try:
        log_prob = log_probs(flow, x, conditions, range(DRAWS) if clean else None).log_prob[0]
    except Overflow:
        return -math.inf
    return float(log_prob[0] if conditions is None else torch.sub(*log_prob.flip(0)))
