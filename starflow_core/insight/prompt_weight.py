"""How much a difference of likelihoods counts when it chooses among prompts."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..images import AnyImage
from ..pipeline import Pipeline, check_draws
from ..progress import OnProgress
from .known_pictures import encoded_square
from .match import match
from .reference import LEAST_PICTURES

RIVALS = 9  # prompts of other pictures beside a picture's own
MOST_PICTURES = 150
LEAST, STEPS = 0.01, 200


def fitted_weight(scores: Tensor) -> float:
    """Return the weight w with which softmax(w·scores) gives the right prompts the largest mean log-probability.

    This is temperature scaling (arXiv 1706.04599), 1/w being the temperature. A likelihood is a sum over hundreds of
    places, whose errors add up: taken as they are, the scores are too sure.

    Args:
        scores: (N, P) in nats, of N pictures; the first is that of the right prompt.

    Returns:
        From 0.01 to 1; 1 is Bayes' rule as it is.
    """
    weights = torch.logspace(0, math.log10(LEAST), STEPS, dtype=torch.float64)
    told = (weights[:, None, None] * scores.double()).log_softmax(2)[..., 0].mean(1)
    return round(float(weights[told.argmax()]), 4)


def measure_prompt_weight(
    pipeline: Pipeline,
    images: Sequence[AnyImage],
    prompts: Sequence[str],
    *,
    draws: int = 4,
    seed: int = 0,
    failed: Callable[[str], None] = warnings.warn,
    on_progress: OnProgress = lambda done, total: None,
) -> float | None:
    """Measure the weight on pictures that the model was not trained on: each one's prompt among nine of the others.

    Args:
        pipeline: the model.
        images: the pictures; 150 at most are looked at.
        prompts: what each shows; "" where that is not known.
        draws: noise draws that scores are averaged over.
        seed: of the choices and of the first draw.
        failed: called with an error message for each picture that is left out; it warns by default.
        on_progress: called with the numbers of finished and of all pictures; an exception that it raises ends the
            work.

    Returns:
        See `fitted_weight`; None where there are too few pictures, or no two prompts.

    Raises:
        ValueError: the model takes no prompts, a class is unknown, or an argument is out of range.
    """
    check_draws(draws)
    rng = random.Random(seed)
    others = sorted({prompt for prompt in prompts if prompt})
    known = [place for place, prompt in enumerate(prompts) if prompt]
    if len(others) < 2 or len(known) < LEAST_PICTURES:
        return None
    chosen = rng.sample(known, min(MOST_PICTURES, len(known)))
    rivals = min(RIVALS, len(others) - 1)
    scores = []
    for done, place in enumerate(chosen, 1):
        own = prompts[place]
        asked = [own, *rng.sample([prompt for prompt in others if prompt != own], rivals)]
        conditions = pipeline.matched_conditions(asked)
        try:
            x = encoded_square(pipeline, images[place])
            scores.append(match(pipeline.flow, x, asked, conditions, draws=draws, seed=seed)[0].scores)
        except ValueError as error:
            failed(str(error))
        on_progress(done, len(chosen))
    return fitted_weight(torch.stack(scores)) if len(scores) >= LEAST_PICTURES else None
