"""`starflow ascend`: a picture made likelier."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import __version__
from .files import check_writable, save_picture
from .names import picture_target
from .options import HAS_LEARNT_A_DISTRIBUTION, add_model_options, load_model, new_command, size
from .progress import picture_bar, say

OF = ("likelihood", "match")  # as in ascent.py, which would import torch before it is needed


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "ascend", _ascend, "make a picture likelier, up the gradient of its likelihood")
    command.add_argument("image", metavar="IMAGE", help="a picture file")
    command.add_argument("--prompt", "--class", dest="prompt", help="what the picture shows")
    command.add_argument("--steps", type=int, default=4, help="number of steps; 4 by default")
    command.add_argument("--strength", type=float, default=1.0, help="of all steps together, from 0 to 4; 1 by default")
    command.add_argument(
        "--of", choices=OF, default="likelihood", help="what to climb: log p, or the match with the prompt"
    )
    command.add_argument("--seed", type=int, default=0, help="of the noise that gradients are averaged over")
    command.add_argument("--size", type=size, metavar="WxH", help="scale the picture to this size, in pixels")
    command.add_argument("-o", "--output", metavar="FILE", help=".png, .jpg or .webp, or a folder with / at its end")
    add_model_options(command, model=HAS_LEARNT_A_DISTRIBUTION)


def _ascend(options: argparse.Namespace) -> None:
    from ..images import open_image
    from ..png_text import Origin

    target = picture_target(options.output or "./", f"{Path(options.image).stem}-ascended")
    check_writable(target)
    picture = open_image(options.image)
    pipeline = load_model(options)
    how = {name: getattr(options, name) for name in ("steps", "strength", "of", "seed", "size")}
    with picture_bar("step") as progress:
        found = pipeline.ascend(picture, options.prompt, **how, on_progress=progress)
    what = "log p" if options.of == "likelihood" else "match"
    say(f"{what}: {found.before:.1f} → {found.after:.1f} nats; the data moved by {found.moved:.1%}")
    settings = {"model": pipeline.name, "edit": "ascend", **how, "version": __version__}
    say(str(save_picture(found.image, target, Origin(options.prompt or "", options.seed, settings))))
