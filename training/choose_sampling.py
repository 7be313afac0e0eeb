"""What guidance and denoising do to the embedded model's pictures, as a table: `python -m training.choose_sampling`."""

from __future__ import annotations

from starflow_core.model_folder import DEFAULT_MODEL, load

from .config import arguments
from .evaluate import Evaluation

CASES = ((1.0, True), (2.0, True), (3.0, True), (5.0, True), (8.0, True), (3.0, False))  # guidance, denoised
CAPTIONS, PAIRS = 100, 60


def row(evaluation: Evaluation, guidance: float, denoise: bool) -> str:
    """A line of the table."""
    chosen = evaluation.with_sampling(guidance=guidance, denoise=denoise)
    figures = [*chosen.recall(CAPTIONS), *chosen.compositions(PAIRS), chosen.diversity()]
    values = " | ".join(f"{figure.value:.2f}" for figure in figures)
    return f"| {guidance:g} | {'yes' if denoise else 'no'} | {values} | {chosen.seconds_a_picture():.2f} s |"


def main() -> None:
    config = arguments(__doc__).config
    print("| guidance | denoised | recall@1 | recall@5 | colour | subject@1 | subject@5 | diversity | time |")
    print("| " + "--- | " * 9)
    evaluation = Evaluation.of(config, load(config.models / DEFAULT_MODEL))
    for guidance, denoise in CASES:
        print(row(evaluation, guidance, denoise), flush=True)


if __name__ == "__main__":
    main()
