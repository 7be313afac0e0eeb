"""Classifier-free guidance between two affine predictions of a flow, as pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Literal, Protocol

from torch import Tensor

from .block import Affine

Guided = Literal["a", "b", "ab"]
GUIDED = ("a", "b", "ab")


class Guidance(Protocol):
    """A way of guiding, with its strength.

    Attributes:
        strength: w ≥ 0; 0 is off.
        attention_temperature: divides the attention logits of the unconditional pass.
    """

    @property
    def strength(self) -> float: ...
    @property
    def attention_temperature(self) -> float: ...
    def __call__(self, conditional: Affine, unconditional: Affine, place: Tensor) -> Affine:
        """The guided prediction of N tokens.

        Args:
            conditional: prediction with the condition, (B, N, D).
            unconditional: prediction without it, (B, N, D).
            place: (N, 1), position of each token in the block's order, from 0 for the first to 1 for the last.
        """
        ...


@dataclass(frozen=True)
class StarFlowGuidance:
    """Guidance as the product of two Gaussians (STARFlow, arXiv 2506.06276), elementwise:

    s = min(σ_c/σ_u, 1)²;  σ = σ_c / √(1 + w − w·s);  m = ((1 + w)·m_c − w·s·m_u) / (1 + w − w·s),

    the latter written as m_c + w·s·(m_c − m_u) / (1 + w·(1 − s)), which does not cancel for a large w.
    With w = 0 it is the conditional prediction itself.

    Raises:
        ValueError: the strength is negative or not finite.
    """

    strength: float
    attention_temperature: float = 1.0

    def __post_init__(self) -> None:
        _check_strength(self.strength)

    def __call__(self, conditional: Affine, unconditional: Affine, place: Tensor) -> Affine:
        w = self.strength
        s = (conditional.scale / unconditional.scale).clamp(max=1).square()
        denominator = 1 + w * (1 - s)
        mean = conditional.mean + w * s * (conditional.mean - unconditional.mean) / denominator
        return Affine(mean, conditional.scale / denominator.sqrt())


@dataclass(frozen=True)
class TarFlowGuidance:
    """Guidance by extrapolation (TarFlow, arXiv 2412.06329): v ← v + g·(v − v_u) of log-scale, mean or both.

    Attributes:
        strength: g ≥ 0.
        guided: "a" guides the logarithm of the scale, "b" the mean, "ab" both.
        annealed: g grows along the sequence, from g/(T − 1) for the second token to g for the last.
        attention_temperature: divides the attention logits of the unconditional pass; values other than 1 also guide
            models without classes.

    Raises:
        ValueError: an attribute is out of range.
    """

    strength: float
    guided: Guided = "ab"
    annealed: bool = False
    attention_temperature: float = 1.0

    def __post_init__(self) -> None:
        _check_strength(self.strength)
        if self.guided not in GUIDED:
            raise ValueError(f"{self.guided!r} cannot be guided; choose one of {', '.join(GUIDED)}.")
        if not isinstance(self.annealed, bool):
            raise ValueError(f"annealed is {self.annealed!r}; it must be true or false.")
        temperature = self.attention_temperature
        if not (_is_number(temperature) and 0 < temperature < math.inf):
            raise ValueError(f"attention_temperature is {temperature!r}; it must be a positive number.")

    def __call__(self, conditional: Affine, unconditional: Affine, place: Tensor) -> Affine:
        g = self.strength * place if self.annealed else self.strength
        mean, scale = conditional
        if "a" in self.guided:
            scale = scale * (scale / unconditional.scale) ** g  # in logarithms, a + g·(a − a_u)
        if "b" in self.guided:
            mean = mean + g * (mean - unconditional.mean)
        return Affine(mean, scale)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _check_strength(strength: float) -> None:
    if not (_is_number(strength) and 0 <= strength < math.inf):
        raise ValueError(f"guidance is {strength!r}; it must be 0 (off) or a positive number.")
