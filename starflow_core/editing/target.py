"""The density that fills are drawn from, with its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..flow.flow import Flow


class Density(NamedTuple):
    """The logarithm of a density at some data, up to a constant, and its gradient."""

    log: Tensor  # (B,)
    gradient: Tensor  # (B, C, H, W)


@dataclass(frozen=True)
class Target:
    """A power of the model's density, sharpened by guidance: (p(x|c)^(1+w) / p(x|u)^w)^(1/T), up to a constant.

    It is known exactly, whatever w and T are, so a step of a Markov chain can be accepted or rejected exactly.

    Attributes:
        flow: the model.
        condition: c, (1, …); None for a model without conditions.
        unconditional: u, (1, …), as `condition`; unused where w is 0.
        guidance: w ≥ 0.
        temperature: T > 0; below 1, likelier data count for more.
    """

    flow: Flow
    condition: Tensor | None
    unconditional: Tensor | None = None
    guidance: float = 0.0
    temperature: float = 1.0

    def __call__(self, x: Tensor) -> Density:
        """The density at one datum (1, C, H, W) with the noise of training."""
        log, gradient = self._of(x, self.condition)
        if self.guidance and self.condition is not None:
            away = self._of(x, self.unconditional)
            log = log + self.guidance * (log - away.log)
            gradient = gradient + self.guidance * (gradient - away.gradient)
        return Density(log / self.temperature, gradient / self.temperature)

    def _of(self, x: Tensor, condition: Tensor | None) -> Density:
        # Tensors of inference mode cannot take part in a gradient, so both are copied outside it.
        with torch.inference_mode(False), torch.enable_grad():
            at = x.detach().clone().requires_grad_()
            log = self.flow(at, None if condition is None else condition.clone()).log_prob
            (gradient,) = torch.autograd.grad(log.sum(), at)
        return Density(log.detach(), gradient)
