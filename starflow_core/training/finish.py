"""The model folder of a trained flow: weights, card, and what its likelihoods are compared with."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..flow.noise import seeded_noise
from ..insight.known_pictures import measure_reference
from ..insight.reference import LEAST_PICTURES
from ..lora.adapter import FILE, Lora
from ..samplers.calibration import count_iterations
from ..weights.model_folder import save
from .planning import told
from .request import Plan

if TYPE_CHECKING:
    from ..pipeline import Pipeline

TYPICAL = 4  # prompts that the sampler's iterations are counted on
CARD = "README.md"


def typical_iterations(pipeline: Pipeline, prompts: Sequence[str]) -> tuple[int, ...]:
    """Count the iterations of `Jacobi` by block, at default settings, for the hardest of a few prompts."""
    config, defaults = pipeline.flow.config, pipeline.defaults
    typical = [*prompts, *[""] * TYPICAL][:TYPICAL]
    told = pipeline.is_conditional
    return count_iterations(
        pipeline.flow,
        defaults.temperature * seeded_noise((config.in_channels, config.img_size, config.img_size), 0, TYPICAL),
        pipeline.condition(typical),
        guidance=defaults.guidance,
        unconditional=pipeline.condition([""]) if told else None,
    )


def finish(
    pipeline: Pipeline,
    folder: Path,
    plan: Plan,
    held_out: list[Path],
    prompts: list[str],
    figure: str,
    lora: Lora | None,
    say: Callable[[str], None],
) -> None:
    """Write a model folder.

    Args:
        pipeline: of the trained flow.
        folder: to write.
        plan: of the training.
        held_out: pictures that it has not seen.
        prompts: what it may be asked to draw.
        figure: how well it learnt, in a sentence, for the card.
        lora: what was trained in place of the weights, and is written in place of them; None for a whole model.
        say: is told where the model is.

    Raises:
        OSError: a file cannot be written.
    """
    try:
        pipeline.defaults = dataclasses.replace(pipeline.defaults, iterations=typical_iterations(pipeline, prompts))
    except ValueError:  # numbers overflow in drawing; likelihoods are none the worse
        say("Drawing with this model overflows; it measures, and more training may help.")
    # A reference is of whole pictures, scaled, and a flow of crops has learnt none.
    if lora is None and not plan.request.crop and len(held_out) >= LEAST_PICTURES:
        try:
            pipeline.reference = measure_reference(
                pipeline, held_out, pictures=f"{len(held_out)} held-out pictures", kind="held out", failed=say
            )
        except ValueError as error:
            say(f"There is no reference for its likelihoods: {error}")
    folder.mkdir(parents=True, exist_ok=True)
    if lora is None:
        save(pipeline, folder)
    else:
        lora.save(folder / FILE)
    _write(folder / CARD, card(pipeline, plan, figure))
    if lora is not None:
        say(f"{folder / FILE}: rank {lora.rank}, of {lora.base}. {figure}")
    else:
        say(f"{folder}: {sum(p.numel() for p in pipeline.flow.parameters()):,} parameters. {figure}")


def card(pipeline: Pipeline, plan: Plan, figure: str) -> str:
    """The text of the model card."""
    crops = (
        "\n\nIt has learnt parts of pictures at their own resolution. `starflow anomaly` looks at large pictures so, "
        "tile by tile; `starflow score` scales a picture to the size of a part, which this model does not know."
    )
    how = ""
    if plan.request.lora is not None:
        how = f"Use it as `starflow generate … --model {plan.request.base} --lora {FILE}:1`.\n\n"
    classes = f"\n\nClasses: {', '.join(plan.classes)}." if plan.classes else ""
    return (
        f"# {pipeline.name}\n\n{told(plan)}\n\n{figure}{classes}{crops if plan.request.crop else ''}\n\n"
        f"{how}`training/` holds the log, samples and the checkpoint. The same command goes on from there; the model "
        "works without the folder.\n\nMade by `starflow train`. The licence of the pictures applies.\n"
    )


def _write(file: Path, text: str) -> None:
    part = file.with_suffix(".part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
