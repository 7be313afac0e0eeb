"""How well methods tell odd pictures from normal ones, by kind of odd picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from starflow_core.pipeline import Pipeline

from .methods import METHODS, auroc, look
from .pictures import odd

ODD = 100  # pictures of each kind
RESAMPLED = 200  # times, for the confidence intervals


def report(pipeline: Pipeline, pictures: np.ndarray, packages: dict[str, Path]) -> None:
    """Print the area under the ROC curve of each method on each kind, as a table.

    The methods are fitted on half of the pictures. Odd pictures are made from the others, and compared with them.
    """
    half = len(pictures) // 2
    normal, others = look(pipeline, pictures[:half]), look(pipeline, pictures[half:])
    kinds = {name: look(pipeline, made) for name, made in odd(pictures[half:], ODD, packages)}
    print(f"\nAUROC; {half} normal pictures to fit on, {len(pictures) - half} others, {ODD} odd ones of each kind\n")
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
