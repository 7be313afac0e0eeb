"""The reference sampler: token by token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..flow.predictor import Predictor


@dataclass(frozen=True)
class Sequential:
    """Token by token: exact, and the reference for every faster way."""

    def invert(self, predictor: Predictor, z: Tensor) -> Iterator[tuple[int, Tensor]]:
        contexts, x, free = predictor.start(z)
        if free:
            yield free, x
        for t in range(free, x.shape[1]):
            mean, scale = predictor.predict(contexts[:, t - free : t - free + 1])
            x[:, t : t + 1] = torch.addcmul(mean, scale, z[:, t : t + 1])
            yield t + 1, x
