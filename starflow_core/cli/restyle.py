"""`starflow restyle`: a picture drawn from its own noise under another prompt."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .edits import add_drawing_options, asked_sampling, edited
from .files import check_writable, save_picture
from .names import picture_target
from .options import load_model, new_command
from .progress import progress_bar, say


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "restyle", _restyle, "draw a picture's noise under another prompt")
    command.add_argument("image", metavar="IMAGE", help="a picture file")
    command.add_argument("--prompt", "--class", dest="prompt", required=True, help="what the picture shows")
    command.add_argument("--to", required=True, metavar="PROMPT", help="what it shall show")
    command.add_argument("-o", "--output", metavar="FILE", help=".png, .jpg or .webp, or a folder with / at its end")
    add_drawing_options(command, guided=True)


def _restyle(options: argparse.Namespace) -> None:
    from ..editing.restyle import guided
    from ..images import open_image

    target = picture_target(options.output or "./", f"{Path(options.image).stem}-restyled")
    check_writable(target)
    picture = open_image(options.image)
    pipeline = load_model(options)
    sampling = guided(pipeline, asked_sampling(options, pipeline))
    with progress_bar("drawing") as progress:
        found = pipeline.restyle(picture, options.prompt, options.to, sampling, progress=progress)
    origin = edited(options, pipeline, sampling, "restyle", options.to, 0, shown=options.prompt)
    say(str(save_picture(found, target, origin)))
