"""How odd a model finds each place of a picture, on one scale for all pictures."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Powers of ten: a place that one token in 10³ of the model's own pictures reaches starts to be odd, one in 10¹² is.
STARTS, IS_ODD = 3.0, 12.0


def oddness(noise_map: Tensor, dimensions: int) -> Tensor:
    """How odd each token is, from 0 to 1, by the noise that the flow turns it into.

    A flow turns its own pictures into noise z ~ N(0, I), whatever they show: an intricate place costs many nats, which
    its log-determinant accounts for, and is not odd for that. ‖z‖² of a token of D dimensions then follows the χ² law
    of D degrees of freedom, which is the reference. With p = P(χ²_D ≥ ‖z‖²), the oddness is 0 where p is 10⁻³ or more,
    1 where it is 10⁻¹² or less, and grows with −log₁₀ p between them.

    Args:
        noise_map: (…), ‖z‖² by token; the mean over draws, which spreads less than one draw, is on the safe side.
        dimensions: D.

    Raises:
        ValueError: a value is negative or no number.
    """
    if not (noise_map >= 0).all():
        raise ValueError("noise_map must hold squared norms, which are numbers of 0 or more.")
    tail = torch.special.gammaincc(torch.tensor(dimensions / 2, dtype=torch.float64), noise_map.double() / 2)
    surprise = -tail.clamp(min=10.0 ** -(IS_ODD + 1)).log() / math.log(10)
    return ((surprise - STARTS) / (IS_ODD - STARTS)).clamp(0, 1).float()
