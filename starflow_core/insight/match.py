"""How well prompts explain a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..flow.flow import Flow
from ..flow.noise import SEEDS, check_seed
from ..progress import OnProgress
from .scoring import log_probs


@dataclass(frozen=True)
class Match:
    """How well each of P prompts explains one picture x: the pointwise mutual information log p(x|prompt) − log p(x).

    Attributes:
        prompts: the prompts, as they were given.
        scores: (P,), in nats, the mean over K noise draws. A prompt with a score above 0 makes the picture likelier.
            Scores can also rank pictures of the same prompt.
        standard_errors: (P,), of the scores over the draws, in nats; NaN for a single draw.
        posterior: (P,), sums to 1: the probability of each prompt, if one of them is right and all are equally likely
            before the picture is seen. It is softmax(w·scores): Bayes' rule where w is 1. A smaller w, measured on
            pictures of known content, makes up for a model that is too sure; see `prompt_weight`.
        maps: (P, H/p, W/p), the scores by token, in nats: which parts of the picture the prompt explains.
    """

    prompts: tuple[str, ...]
    scores: Tensor
    standard_errors: Tensor
    posterior: Tensor
    maps: Tensor

    @property
    def best(self) -> str:
        """The likeliest prompt."""
        return self.prompts[int(self.scores.argmax())]


def match(
    flow: Flow,
    x: Tensor,
    prompts: Sequence[str],
    conditions: Tensor,
    *,
    draws: int = 4,
    seed: int = 0,
    weight: float = 1.0,
    on_progress: OnProgress = lambda done, total: None,
) -> list[Match]:
    """Score how well each prompt explains each datum; a score is the difference of two log-likelihoods.

    Args:
        flow: the model.
        x: (N, C, H, W), without noise.
        prompts: P prompts.
        conditions: (1 + P, …), the condition of the empty prompt, then the conditions of the prompts.
        draws: the number K of noise draws.
        seed: the seed of the first draw; draw i has seed + i.
        weight: of the scores in the posterior, above 0; see `Match`.
        on_progress: called with the numbers of finished and of all log-likelihoods; an exception that it raises ends
            the work.

    Raises:
        ValueError: a shape does not fit the model, or numbers overflow.
    """
    check_seed(seed)
    found = log_probs(flow, x, conditions, [(seed + i) % SEEDS for i in range(draws)], on_progress=on_progress)
    gains = found.draws[:, 1:] - found.draws[:, :1]
    maps = found.maps[:, 1:] - found.maps[:, :1]
    scores = gains.mean(2)
    errors = gains.std(2) / math.sqrt(draws) if draws > 1 else scores.new_full(scores.shape, math.nan)
    return [
        Match(tuple(prompts), scores[n], errors[n], (weight * scores[n].double()).softmax(0).float(), maps[n])
        for n in range(len(x))
    ]
