"""The best of several pictures of the same prompt."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..flow.flow import Flow
from .scoring import Overflow, log_probs

DRAWS = 4  # noise draws; all candidates get the same noise


def best(flow: Flow, x: Tensor, conditions: Tensor | None, *, clean: bool) -> int:
    """Return the place of the datum that the prompt explains best: the largest log p(x|prompt) − log p(x).

    Without conditions, the likeliest datum is the best. Data that overflow are never the best, unless all do.

    Args:
        flow: the model.
        x: candidates (N, C, H, W).
        conditions: (2, …), of the empty prompt and of the prompt; None for a model without conditions.
        clean: whether the data have no training noise.

    Raises:
        ValueError: a shape does not fit the model.
    """
    scores = [_score(flow, one[None], conditions, clean) for one in x]
    return max(range(len(x)), key=scores.__getitem__)


def _score(flow: Flow, x: Tensor, conditions: Tensor | None, clean: bool) -> float:
    """Return the score of a datum (1, C, H, W), in nats; −∞ if it overflows."""
    if not x.isfinite().all():
        return -math.inf
    try:
        log_prob = log_probs(flow, x, conditions, range(DRAWS) if clean else None).log_prob[0]
    except Overflow:
        return -math.inf
    return float(log_prob[0] if conditions is None else torch.sub(*log_prob.flip(0)))
