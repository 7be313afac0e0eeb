"""Trains a flow for some time of a processor, with a learning rate that a short search finds."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from .contender import Contender

BATCH = 32
RATES = (5e-4, 1.5e-3, 4e-3)
SEARCH_SHARE = 0.05  # of the time, for each rate
WARM_UP = 0.03  # of the time
DECAY = 0.99  # of the averaged weights, a step
CLIP = 1.0
AT_ONCE = 25  # pictures that are measured at once


@dataclass(frozen=True)
class Trained:
    """A flow with its averaged weights, its learning rate, and the pictures that it saw in the last training."""

    model: Contender
    rate: float
    pictures: int


def trained(make: Callable[[], Contender], pictures: np.ndarray, watched: np.ndarray, seconds: float) -> Trained:
    """Train a flow for some seconds of a processor, the search included.

    Args:
        make: the flow, of random weights.
        pictures: (N, 32, 32, 3) to learn.
        watched: others, which choose the learning rate.
        seconds: of the process's time.
    """
    found = {rate: _run(make, pictures, rate, SEARCH_SHARE * seconds) for rate in RATES}
    errors = {rate: float(measured(one.model, watched).mean()) for rate, one in found.items()}
    best = min(errors, key=lambda rate: errors[rate] if math.isfinite(errors[rate]) else math.inf)
    return _run(make, pictures, best, (1 - len(RATES) * SEARCH_SHARE) * seconds)


@torch.no_grad()
def measured(model: Contender, pictures: np.ndarray) -> np.ndarray:
    """Bits per dimension (N,) of pictures, with the same noise in every call."""
    torch.manual_seed(0)
    parts = range(0, len(pictures), AT_ONCE)
    return np.concatenate([model.bits_per_dim(pictures[i : i + AT_ONCE]).numpy() for i in parts])


def _run(make: Callable[[], Contender], pictures: np.ndarray, rate: float, seconds: float) -> Trained:
    torch.manual_seed(0)
    model = make().train()
    averaged: Contender | None = None
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
    batches, start, seen = _batches(pictures), time.process_time(), 0
    with tqdm(total=100, leave=False, bar_format="{desc} {percentage:3.0f}% |{bar}| {remaining}") as bar:
        while (share := (time.process_time() - start) / seconds) < 1:
            optimizer.param_groups[0]["lr"] = rate * min(share / WARM_UP, 1) * (1 + math.cos(math.pi * share)) / 2
            loss = model.bits_per_dim(next(batches)).mean()
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            if torch.isfinite(norm):
                optimizer.step()
            averaged = _averaged(averaged, model)
            seen += BATCH
            bar.set_description(f"{type(model).__name__}, rate {rate:g}: {float(loss.detach()):.3f} bits/dim")
            bar.update(100 * share - bar.n)
    return Trained((averaged or model).eval(), rate, seen)


@torch.no_grad()
def _averaged(averaged: Contender | None, model: Contender) -> Contender:
    if averaged is None:
        return copy.deepcopy(model)
    for mean, new in zip(averaged.parameters(), model.parameters(), strict=True):
        mean.lerp_(new, 1 - DECAY)
    for kept, buffer in zip(averaged.buffers(), model.buffers(), strict=True):
        kept.copy_(buffer)
    return averaged


def _batches(pictures: np.ndarray) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    while True:
        order = rng.permutation(len(pictures))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            yield pictures[order[start : start + BATCH]]
