"""`starflow reference`: what a model's likelihoods are compared with."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from .options import add_model_options, load_model, new_command
from .progress import picture_bar


def add(commands: Any) -> None:
    """Add the command."""
    purpose = "measure a folder of pictures, which `starflow score` then compares others with"
    command = new_command(commands, "reference", _reference, purpose)
    command.add_argument("folder", type=Path, metavar="FOLDER", help="with pictures, hundreds at best, and folders")
    said = command.add_mutually_exclusive_group()
    said.add_argument("--prompt", "--class", dest="prompt", metavar="PROMPT", help="what all of the pictures show")
    said.add_argument(
        "--class-from-folder", action="store_true", help="take each picture's class from the name of its folder"
    )
    said.add_argument(
        "--captions", action="store_true", help="take each picture's caption from the .txt file of its name, if any"
    )
    source = command.add_mutually_exclusive_group()
    source.add_argument(
        "--held-out",
        dest="kind",
        action="store_const",
        const="held out",
        help="the pictures are like those that the model was trained on, and it has seen none of them",
    )
    source.add_argument(
        "--trained-on",
        dest="kind",
        action="store_const",
        const="trained on",
        help="the model was trained on these pictures",
    )
    command.add_argument("--name", metavar="WORDS", help="which pictures these are; the folder's name by default")
    command.add_argument("--draws", type=int, default=4, help="number of noise draws to average over")
    command.add_argument("--seed", type=int, default=0, help="of the noise draws")
    add_model_options(command)


def _reference(options: argparse.Namespace) -> int:
    from ..insight.evaluation import pictures_in
    from ..insight.known_pictures import measure_reference
    from ..insight.prompt_weight import measure_prompt_weight
    from ..weights.model_folder import EMBEDDED, model_folder

    target = model_folder(options.model)
    if target.resolve().parent == EMBEDDED.resolve():
        raise ValueError(
            f"{target.name} comes with the package, and with a reference of its own; name another model, or the folder "
            "of a copy, with --model."
        )
    files = pictures_in(options.folder)
    said = [_said(file, options) for file in files]
    pipeline = load_model(options)
    failures: list[str] = []
    with picture_bar() as report:
        made = measure_reference(
            pipeline,
            files,
            said,
            pictures=options.name or options.folder.resolve().name or "pictures",
            kind=options.kind or "given",
            draws=options.draws,
            seed=options.seed,
            failed=failures.append,
            on_progress=report,
        )
    if pipeline.is_conditional and made.kind != "trained on":
        with picture_bar() as report:
            weight = measure_prompt_weight(
                pipeline, files, said, draws=options.draws, seed=options.seed, failed=_told_already, on_progress=report
            )
        made = dataclasses.replace(made, prompt_weight=weight or made.prompt_weight)
    for failure in failures:
        print(f"starflow: {failure}", file=sys.stderr)
    made.save(target)
    described = "" if made.described is None else f", {made.described.number} of them also given what they show"
    print(f"{target}: {made.plain.number} pictures{described}. `starflow score` compares others with them.")
    return 0


def _told_already(failure: str) -> None:
    """The measurement of the likelihoods has named this picture."""


def _said(file: Path, options: argparse.Namespace) -> str:
    """What a picture shows, as far as the options say; "" for nothing.

    Raises:
        ValueError: a caption is no text.
    """
    if options.class_from_folder:
        return file.parent.name
    if not options.captions:
        return options.prompt or ""
    from ..training.captions import caption_beside

    return caption_beside(file)
