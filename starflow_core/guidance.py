"""Classifier-free guidance between two affine predictions of a flow (STARFlow, arXiv 2506.06276)."""

from __future__ import annotations

from .block import Affine


def guided(conditional: Affine, unconditional: Affine, guidance: float) -> Affine:
    """The guided prediction for a strength w > 0, elementwise.

    s = min(σ_c/σ_u, 1)²;  σ = σ_c / √(1 + w − w·s);  m = ((1 + w)·m_c − w·s·m_u) / (1 + w − w·s),

    the latter written as m_c + w·s·(m_c − m_u) / (1 + w·(1 − s)), which does not cancel for a large w.

    With w = 0 it is the conditional prediction itself.
    """
    w = guidance
    s = (conditional.scale / unconditional.scale).clamp(max=1).square()
    denominator = 1 + w * (1 - s)
    mean = conditional.mean + w * s * (conditional.mean - unconditional.mean) / denominator
    return Affine(mean, conditional.scale / denominator.sqrt())
