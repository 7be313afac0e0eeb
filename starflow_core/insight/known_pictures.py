"""Measuring a reference: how likely a model finds pictures of a kind."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from ..flow.noise import SEEDS, check_seed
from ..images import AnyImage, as_rgb, middle_square
from ..pipeline import Pipeline, check_draws
from ..progress import OnProgress
from .evaluation import pictures_in
from .reference import LEAST_PICTURES, Reference
from .scoring import log_probs


def measure_reference(
    pipeline: Pipeline,
    images: os.PathLike[str] | str | Sequence[AnyImage],
    prompts: Sequence[str | None] | None = None,
    *,
    pictures: str,
    kind: str = "given",
    draws: int = 4,
    seed: int = 0,
    failed: Callable[[str], None] = warnings.warn,
    on_progress: OnProgress = lambda done, total: None,
) -> Reference:
    """Measure how likely a model finds pictures, with nothing given and given what each shows.

    Every picture is cropped to its middle square and scaled to the model's size, so that all likelihoods compare.

    Args:
        pipeline: the model.
        images: the pictures, or a folder of them; some hundreds are best.
        prompts: the caption or the class of each picture, None or "" where it has none; None for none at all.
        pictures: which pictures these are, in words.
        kind: one of `reference.KINDS`: "held out" or "trained on" by the model, or "given".
        draws: noise draws that are averaged over.
        seed: of the first draw; draw i is that of seed + i.
        failed: called with an error message for each picture that is left out; it warns by default.
        on_progress: called with the numbers of finished and of all pictures; an exception that it raises ends the
            work.

    Raises:
        ValueError: there are too few pictures, a class is unknown, or an argument is out of range.
    """
    check_draws(draws)
    check_seed(seed)
    given = pictures_in(Path(images)) if isinstance(images, (str, os.PathLike)) else list(images)
    said = [prompt or "" for prompt in prompts] if prompts is not None else [""] * len(given)
    if len(said) != len(given):
        raise ValueError(f"There are {len(given)} pictures and {len(said)} prompts; give as many of both.")
    if any(said) and not pipeline.is_conditional:
        raise ValueError(f"The model {pipeline.name!r} knows no prompts; measure the pictures without.")
    seeds = [(seed + i) % SEEDS for i in range(draws)]
    plain: list[float] = []
    described: list[float] = []
    for place, (image, prompt) in enumerate(zip(given, said, strict=True)):
        conditions = pipeline.condition(["", prompt] if prompt else [""])
        try:
            x = encoded_square(pipeline, image)
            found = log_probs(pipeline.flow, x, conditions, seeds).log_prob[0].tolist()
        except ValueError as error:
            failed(str(error))
        else:
            plain.append(found[0])
            described += found[1:]
        on_progress(place + 1, len(given))
    side = pipeline.trained_side
    return Reference.of(
        pipeline.flow,
        plain,
        described if len(described) >= LEAST_PICTURES else (),
        pictures=pictures,
        kind=kind,
        size=(side, side),
        draws=draws,
        seed=seed,
    )


def encoded_square(pipeline: Pipeline, image: AnyImage) -> Tensor:
    """Data (1, C, H, W) of the middle square of a picture, scaled to the side that the model was trained at.

    Raises:
        ValueError: the picture cannot be read.
    """
    square = middle_square(as_rgb(image), pipeline.trained_side, Image.Resampling.LANCZOS)
    return pipeline.encode(square, size=square.size)
