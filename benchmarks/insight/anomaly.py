"""How well methods tell odd pictures from normal ones, by kind of odd picture."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from starflow_core.pipeline import Pipeline

from .methods import METHODS, auroc, look

ODD = 100  # pictures of each kind
RESAMPLED = 200  # times, for the confidence intervals


def broader_than(model: str) -> str:
    """The name of an embedded model that is broader than another: it knows more kinds of pictures, or knows them less.

    No embedded model knows more kinds than starflow-mini-128. tarflow-mini-8bit knows pixels well and subjects hardly.
    """
    return "tarflow-mini-8bit" if model == "starflow-mini-128" else "starflow-mini-128"


def report(pipeline: Pipeline, broader: Pipeline, pictures: np.ndarray, odd: Iterable[tuple[str, np.ndarray]]) -> None:
    """Print the area under the ROC curve of each method on each kind, as a table.

    Args:
        pipeline: the model.
        broader: the other model of the ratio of likelihoods.
        pictures: (N, S, S, 3) uint8, normal ones. The methods are fitted on the first half of them.
        odd: kinds of odd pictures by name, made from the second half, which they are compared with.
    """
    half = len(pictures) // 2
    normal, others = look(pipeline, broader, pictures[:half]), look(pipeline, broader, pictures[half:])
    kinds = {name: look(pipeline, broader, made) for name, made in odd}
    count = min(len(one.log_prob) for one in kinds.values())
    print(f"The broader model of the ratio is {broader.name}.")
    print(f"\nAUROC; {half} normal pictures to fit on, {len(pictures) - half} others, {count} odd ones of each kind\n")
    print(f"| method | {' | '.join(kinds)} | mean |")
    print(f"| --- {'| --- ' * (len(kinds) + 1)}|")
    for name, method in METHODS.items():
        usual = method(normal, others).nan_to_num(torch.inf)
        scores = {kind: method(normal, looked).nan_to_num(torch.inf) for kind, looked in kinds.items()}
        values = [auroc(usual, found) for found in scores.values()]
        low, high = interval(usual, list(scores.values()))
        cells = " | ".join(f"{value:.2f}" for value in values)
        print(f"| {name} | {cells} | {np.mean(values):.3f} [{low:.3f}, {high:.3f}] |", flush=True)


def interval(usual: Tensor, scores: list[Tensor]) -> tuple[float, float]:
    """The 95 % confidence interval of the mean AUROC over the kinds, from resampled pictures."""
    generator = torch.Generator().manual_seed(0)

    def resampled(values: Tensor) -> Tensor:
        return values[torch.randint(len(values), (len(values),), generator=generator)]

    means = []
    for _ in range(RESAMPLED):
        again = resampled(usual)
        means.append(np.mean([auroc(again, resampled(one)) for one in scores]))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
