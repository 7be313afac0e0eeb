"""How much better the likeliest of several drawn pictures is, to an independent judge."""

from __future__ import annotations

from recipes.evaluate import Evaluation
from recipes.figures import Figure, table

CANDIDATES = (1, 4)
NAMES = 200


def report(evaluation: Evaluation) -> None:
    """Print how often the judge recognises pictures, of which each is the likeliest of 1 or of 4 for its prompt."""
    figures: list[Figure] = []
    for number in CANDIDATES:
        drawn = evaluation.with_sampling(best_of=number)
        figures += drawn.recall(drawn.trained_names[:NAMES], f"names, best of {number}")
    print(f"\nThe best of several pictures\n\n{table(figures)}", flush=True)
