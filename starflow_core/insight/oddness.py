"""Oddness of each place of a picture under a model, on one scale for all pictures."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Values of −log₁₀ p at which oddness starts, and at which it is 1. They are reached by one token in 10³ and by one in
# 10¹² of the model's own pictures.
STARTS, IS_ODD = 3.0, 12.0


def oddness(noise_map: Tensor, dimensions: int) -> Tensor:
    """Oddness of each token, from 0 to 1, by its noise under the flow.

    A flow maps its own pictures to noise z ~ N(0, I), whatever they show. An intricate place takes many nats, but this
    does not make it odd: the log-determinant accounts for them. The reference is the χ² law with D degrees of freedom,
    which ‖z‖² of a token with D dimensions follows. With p = P(χ²_D ≥ ‖z‖²), the oddness is 0 for p ≥ 10⁻³ and 1 for
    p ≤ 10⁻¹²; between them, it grows with −log₁₀ p.

    Args:
        noise_map: (…), ‖z‖² by token. A mean over draws varies less than one draw, which makes oddness conservative.
        dimensions: D, the dimensions of a token.

    Raises:
        ValueError: a value is negative or NaN.
    """
    if not (noise_map >= 0).all():
        raise ValueError("noise_map must hold squared norms, which are numbers of 0 or more.")
    tail = torch.special.gammaincc(torch.tensor(dimensions / 2, dtype=torch.float64), noise_map.double() / 2)
    surprise = -tail.clamp(min=10.0 ** -(IS_ODD + 1)).log() / math.log(10)
    return ((surprise - STARTS) / (IS_ODD - STARTS)).clamp(0, 1).float()
