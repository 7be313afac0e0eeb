"""What settings of sampling do to the embedded model's pictures, as a table: `python -m recipes.choose_sampling`.

It draws names that `evaluate.py` does not draw, so that the figures on the card are not of what was tuned on.
"""

from __future__ import annotations

from typing import Any

from starflow_core.weights.model_folder import load

from .config import arguments
from .evaluate import NAMES, Evaluation

TUNED_ON = 150  # names
TEMPERATURES, GUIDANCES = (1.0, 0.9, 0.7, 0.5), (1.0, 3.0, 5.0)
COLUMNS = ("temperature", "guidance", "denoised", "recall@1", "recall@5", "diversity", "time")


def cases(defaults: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the defaults, and settings that differ from them in one value each."""
    others: tuple[dict[str, Any], ...] = (
        *({"temperature": temperature} for temperature in TEMPERATURES),
        *({"guidance": guidance} for guidance in GUIDANCES),
        {"denoise": not defaults["denoise"]},
    )
    every = [defaults, *({**defaults, **other} for other in others)]
    return [case for i, case in enumerate(every) if case not in every[:i]]


def row(evaluation: Evaluation, sampling: dict[str, Any]) -> str:
    """A line of the table."""
    chosen = evaluation.with_sampling(**sampling)
    names = chosen.trained_names[NAMES : NAMES + TUNED_ON]
    figures = [*chosen.recall(names, "names"), chosen.diversity(names)]
    values = " | ".join(f"{figure.value:.2f}" for figure in figures)
    settings = f"{sampling['temperature']:g} | {sampling['guidance']:g} | {'yes' if sampling['denoise'] else 'no'}"
    return f"| {settings} | {values} | {chosen.seconds_a_picture():.2f} s |"


def main() -> None:
    config = arguments(__doc__).config
    pipeline = load(config.models / config.model)
    defaults = {name: getattr(pipeline.defaults, name) for name in ("temperature", "guidance", "denoise")}
    print(f"| {' | '.join(COLUMNS)} |")
    print("| " + "--- | " * len(COLUMNS))
    evaluation = Evaluation.of(config, pipeline)
    for sampling in cases(defaults):
        print(row(evaluation, sampling), flush=True)


if __name__ == "__main__":
    main()
