"""`starflow inpaint`: parts of a picture drawn anew."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import check_writable, save_picture
from .names import Target, picture_target
from .options import add_model_options, load_model, new_command, size
from .progress import progress_bar, say

if TYPE_CHECKING:
    from PIL import Image

    from ..editing.inpainting import Fill
    from ..editing.settings import Filling
    from ..pipeline import Pipeline
    from ..png_text import Origin


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "inpaint", _inpaint, "draw parts of a picture anew")
    command.add_argument("image", metavar="IMAGE", help="a picture file")
    where = command.add_mutually_exclusive_group(required=True)
    where.add_argument("--mask", metavar="MASK", help="a picture of the same size; white is drawn anew")
    where.add_argument(
        "--grow",
        type=sides,
        metavar="PIXELS",
        help="draw beyond the borders instead: so far on each side, or LEFT,TOP,RIGHT,BOTTOM",
    )
    command.add_argument("--prompt", "--class", dest="prompt", help="what the whole picture shows")
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help=".png, .jpg or .webp, or a folder with / at its end; several fills get their ranks as numbers",
    )
    command.add_argument("--count", type=int, default=1, help="fills, the likeliest first; 1 by default")
    command.add_argument("--seed", type=int, default=0, help="of the first fill; fill i is that of seed + i")
    command.add_argument("--rounds", type=int, help="of the plain iteration, at the beginning")
    command.add_argument(
        "--steps",
        type=int,
        help="after it, of which the second half obey the exact likelihood",
    )
    command.add_argument("--temperature", type=float, metavar="T", help="lower for likelier, less varied fills")
    command.add_argument("--guidance", type=float, help="strength of guidance; 0 is off")
    command.add_argument("--feather", type=int, metavar="PIXELS", help="width in which a fill is matched to its edge")
    command.add_argument("--size", type=size, metavar="WxH", help="at which the model works; a number is a square")
    add_model_options(command)


def sides(text: str) -> tuple[int, int, int, int]:
    """Pixels at the left, top, right and bottom, from one number or four.

    Raises:
        ArgumentTypeError: the text is neither.
    """
    if not re.fullmatch(r"\d{1,4}(,\d{1,4}){3}|\d{1,4}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a number of pixels nor four of them; write 16 or 0,0,32,0"
        )
    numbers = [int(number) for number in text.split(",")]
    left, top, right, bottom = numbers * 4 if len(numbers) == 1 else numbers
    return left, top, right, bottom


def _inpaint(options: argparse.Namespace) -> None:
    filling = _filling(options)
    image, mask = _given(options)
    targets = _targets(options, filling.count)
    for target in targets:
        check_writable(target)
    pipeline = load_model(options)
    with progress_bar("drawing") as progress:
        fills = pipeline.inpaint(image, mask, options.prompt, filling, size=options.size, progress=progress)
    for fill, target in zip(fills, targets, strict=True):
        origin = _origin(pipeline, options, filling, fill)
        say(f"{save_picture(fill.image, target, origin)}: {_told(fill)}")


def _given(options: argparse.Namespace) -> tuple[Image.Image, str | Image.Image]:
    """The picture and its mask, or both grown."""
    from ..editing.canvas import grown
    from ..images import as_rgb

    picture = as_rgb(options.image)
    if options.grow is None:
        return picture, options.mask
    left, top, right, bottom = options.grow
    return grown(picture, left=left, top=top, right=right, bottom=bottom)


def _filling(options: argparse.Namespace) -> Filling:
    from ..editing.settings import Filling

    names = ("seed", "count", "rounds", "steps", "temperature", "guidance", "feather")
    asked = {name: getattr(options, name) for name in names}
    return Filling(**{name: value for name, value in asked.items() if value is not None})


def _targets(options: argparse.Namespace, count: int) -> list[Target]:
    """The files of the fills, by rank."""
    output = "./" if options.output is None else options.output
    target = picture_target(output, f"{Path(options.image).stem}-filled")
    if count == 1:
        return [target]
    stem, suffix = target.path.stem, target.path.suffix
    return [
        Target(target.path.with_name(f"{stem}-{rank}{suffix}"), target.is_asked_for) for rank in range(1, count + 1)
    ]


def _origin(pipeline: Pipeline, options: argparse.Namespace, filling: Filling, fill: Fill) -> Origin:
    from .. import __version__
    from ..png_text import Origin

    names = ("rounds", "steps", "temperature", "guidance")
    settings = {name: getattr(filling, name) for name in names}
    return Origin(
        options.prompt or "", fill.seed, {"model": pipeline.name, "edit": "inpaint", **settings, "version": __version__}
    )


def _told(fill: Fill) -> str:
    kept = "known pixels unchanged" if not fill.known_error else f"known pixels changed by up to {fill.known_error}"
    return f"seed {fill.seed}, log p {fill.log_prob:.1f} nats, {kept}, residual {fill.residual:.2g}"
