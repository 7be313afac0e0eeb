"""A picture made likelier, by steps up the gradient of its log-likelihood or of its match with a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from ..flow.flow import Flow
from ..flow.noise import SEEDS, check_seed, seeded_noise
from ..images import AnyImage
from ..insight.likelihood import gradient, score
from ..progress import OnProgress
from .source import Model, check_number, check_prompts, checked_finite

Of = Literal["likelihood", "match"]
OF = ("likelihood", "match")
MOST_STEPS, MOST_STRENGTH = 100, 4.0
DRAWS = 4  # of noise, for the gradient of a step: two, and their opposites
MEASURED = 8  # draws of noise, for a likelihood before or after
MEASURED_FROM = 2**32  # seeds of the noise that before and after are measured with: other noise than that of the steps


@dataclass(frozen=True)
class Ascent:
    """A picture that was made likelier.

    Attributes:
        image: the picture.
        x: its data (C, H, W), as the flow has them.
        before, after: log-likelihood given the prompt, in nats; of the match, the gain over no prompt.
        moved: relative L2 distance of the data from where they were.
    """

    image: Image.Image
    x: Tensor
    before: float
    after: float
    moved: float


def ascend(
    model: Model,
    image: AnyImage,
    prompt: str | None,
    *,
    steps: int,
    strength: float,
    of: str,
    seed: int,
    size: int | Sequence[int] | None,
    on_progress: OnProgress,
) -> Ascent:
    """See `Pipeline.ascend`."""
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS:
        raise ValueError(f"steps is {steps!r}; it must be a whole number from 1 to {MOST_STEPS}.")
    check_number("strength", strength, 0, MOST_STRENGTH)
    check_prompts(model, prompt)
    check_seed(seed)
    if of not in OF:
        raise ValueError(f"of is {of!r}; it must be one of {', '.join(OF)}.")
    if of == "match" and not prompt:
        raise ValueError("A match needs a prompt; say what the picture shows.")
    x = model.encode(image, size=size)
    given, nothing = model.condition([prompt or ""]), model.condition([""]) if of == "match" else None
    climbed = climb(model.flow, x, given, nothing, steps=steps, strength=strength, seed=seed, on_progress=on_progress)
    before, after = (measured(model.flow, one[0], given, nothing, seed) for one in (x, climbed))
    moved = float((climbed - x).norm() / x.norm())
    return Ascent(model.decode(checked_finite(climbed))[0], climbed[0].cpu(), before, after, moved)


def climb(
    flow: Flow,
    x: Tensor,
    condition: Tensor | None,
    instead_of: Tensor | None,
    *,
    steps: int,
    strength: float,
    seed: int = 0,
    on_progress: OnProgress = lambda done, total: None,
) -> Tensor:
    """Data after steps x ← x + strength·σ²/steps · ∇ E log p(x + noise | condition); σ is that of the training noise.

    A strength of 1 in one step is Tweedie's formula, averaged over noise.

    Args:
        flow: the model.
        x: data (1, C, H, W), without noise.
        condition: (1, …), as the flow takes it.
        instead_of: the condition to subtract the log-likelihood of, for the ascent of a match; None for none.
        steps: their number.
        strength: of all steps together.
        seed: of the noise; step i has seed + i·K/2 and up.
        on_progress: called after every step; an exception that it raises ends the work.

    Returns:
        (1, C, H, W), float32.
    """
    sigma = noise_std(flow)
    for step in range(steps):
        noised = _noised(flow, x, (seed + step * DRAWS // 2) % SEEDS)
        up = gradient(flow, noised, _repeated(condition)).mean(0, keepdim=True)
        if instead_of is not None:
            up = up - gradient(flow, noised, _repeated(instead_of)).mean(0, keepdim=True)
        x = x + strength / steps * sigma**2 * up.to(x)
        on_progress(step + 1, steps)
    return x


def measured(flow: Flow, x: Tensor, condition: Tensor | None, instead_of: Tensor | None, seed: int) -> float:
    """Log-likelihood of a datum (C, H, W) in nats, or its gain over another condition, under noise of its own."""
    seed = (seed + MEASURED_FROM) % SEEDS
    found = score(flow, x, condition, draws=MEASURED, seed=seed).log_prob
    return found if instead_of is None else found - score(flow, x, instead_of, draws=MEASURED, seed=seed).log_prob


def _repeated(condition: Tensor | None) -> Tensor | None:
    return None if condition is None else condition.expand(DRAWS, *condition.shape[1:])


def noise_std(flow: Flow) -> float:
    """Standard deviation of the training noise, σ; of uniform noise within 8-bit steps, 1/√12 of a step."""
    return flow.config.noise_std or 12**-0.5 / flow.levels


def _noised(flow: Flow, x: Tensor, seed: int) -> Tensor:
    """Copies (K, C, H, W) of a datum (1, C, H, W) with noise and with its opposite.

    The gradient at x + n is about −n/σ² more than that at x. The mean over n and −n is free of this; that over a few n
    alone would be noise in the picture.
    """
    noise = noise_std(flow) * seeded_noise(x.shape[1:], seed, DRAWS // 2).to(x)
    return torch.cat([x + noise, x - noise])
