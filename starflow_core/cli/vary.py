"""`starflow vary`: variations of a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .edits import add_drawing_options, asked_sampling, edited
from .files import check_writable, save_picture
from .names import picture_targets
from .options import load_model, new_command
from .progress import progress_bar, say


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "vary", _vary, "draw variations of a picture")
    command.add_argument("image", metavar="IMAGE", help="a picture file")
    command.add_argument(
        "--strength", type=float, default=0.5, help="0 keeps the picture, 1 draws another; 0.5 by default"
    )
    command.add_argument("--prompt", "--class", dest="prompt", default="", help="what the picture shows")
    command.add_argument(
        "-o", "--output", metavar="FILE", help=".png, .jpg or .webp, or a folder with / at its end; named by default"
    )
    command.add_argument("--seed", type=int, default=0, help="of the first variation; the others follow; 0 by default")
    command.add_argument("--count", type=int, default=1, help="number of variations")
    add_drawing_options(command, guided=True)


def _vary(options: argparse.Namespace) -> None:
    from ..editing.vary import check_strength
    from ..images import open_image

    check_strength(options.strength)
    picture = open_image(options.image)
    pipeline = load_model(options)
    sampling = asked_sampling(options, pipeline, seed=options.seed, count=options.count)
    name = f"{Path(options.image).stem} varied"
    waiting = picture_targets(options.output, None, [name], sampling.seeds())
    for targets in waiting.values():
        check_writable(targets[0])
    with progress_bar("drawing") as progress:
        found = pipeline.vary(picture, options.strength, options.prompt, sampling, progress=progress)
    for image, seed in zip(found, sampling.seeds(), strict=True):
        origin = edited(options, pipeline, sampling, "vary", options.prompt, seed, strength=options.strength)
        say(str(save_picture(image, waiting[name, seed].pop(0), origin)))
