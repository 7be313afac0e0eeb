"""`starflow generate`: pictures of prompts or classes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import check_writable, save_picture
from .names import Target, picture_targets
from .options import add_model_options, load_model, new_command, size
from .progress import progress_bar, say

if TYPE_CHECKING:
    from ..pipeline import Pipeline
    from ..sampling import Sampling

SAMPLERS = ("jacobi", "sequential")
GUIDED = ("a", "b", "ab")  # as in guidance.py, which would import torch before it is needed


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "generate", _generate, "draw pictures of prompts")
    command.add_argument("prompts", nargs="*", metavar="PROMPT", help="what to draw")
    command.add_argument(
        "--prompts", dest="prompts_file", metavar="FILE", help="a text file, one prompt per line; - for standard input"
    )
    command.add_argument(
        "--class", dest="classes", action="append", default=[], metavar="NAME", help="a class, for a model of classes"
    )
    place = command.add_mutually_exclusive_group()
    place.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help=".png, .jpg or .webp, or a folder with / at its end; by default named after the prompt and seed",
    )
    place.add_argument("--output-dir", metavar="DIR", help="folder for files named after the prompt and seed")
    command.add_argument(
        "--seed",
        dest="seeds",
        type=int,
        action="append",
        metavar="SEED",
        help="of the first picture; picture i is that of seed + i; give it again for more seeds; 0 by default",
    )
    command.add_argument("--count", type=int, default=1, help="pictures per prompt and seed")
    command.add_argument(
        "--best-of",
        type=int,
        default=1,
        metavar="N",
        help="of N drawn for each picture, keep the best match",
    )
    command.add_argument("--guidance", type=float, help="strength of guidance; 0 is off")
    command.add_argument("--negative", default="", metavar="PROMPT", help="what guidance steers away from")
    command.add_argument("--guided", choices=GUIDED, help="of a TarFlow: guide the scale (a), the mean (b) or both")
    command.add_argument(
        "--annealed", action=argparse.BooleanOptionalAction, help="of a TarFlow: guidance that grows along the picture"
    )
    command.add_argument(
        "--attention-temperature", type=float, metavar="T", help="of a TarFlow: of the unconditional pass; 1 is none"
    )
    command.add_argument("--size", type=size, metavar="WxH", help="in pixels; a single number is a square")
    command.add_argument("--sampler", choices=SAMPLERS, default="jacobi", help="jacobi is faster")
    command.add_argument("--tolerance", type=float, default=0.01, help="of jacobi, against sequential; 0.01 is 1 %%")
    command.add_argument("--denoise", action=argparse.BooleanOptionalAction, help="remove the noise of training")
    command.add_argument("--temperature", type=float, metavar="T", help="of the noise; lower is likelier, less varied")
    add_model_options(command)


def _generate(options: argparse.Namespace) -> None:
    from ..png_text import settings_of

    asked = _asked(options)
    pipeline = load_model(options)
    prompts = _checked(asked, options, pipeline)
    sampling = _sampling(options, pipeline)
    waiting = picture_targets(options.output, options.output_dir, prompts, sampling.seeds())
    for targets in waiting.values():
        for target in targets:
            check_writable(target)
    settings = settings_of(pipeline, sampling, options.sampler, options.tolerance)
    _draw(pipeline, prompts, sampling, settings, waiting)


def _draw(
    pipeline: Pipeline,
    prompts: list[str],
    sampling: Sampling,
    settings: dict[str, Any],
    waiting: dict[tuple[str, int], list[Target]],
) -> None:
    """Draw, and write each picture as soon as it is finished."""
    from ..png_text import Origin, drawn_with

    with progress_bar("drawing") as progress:
        for picture in pipeline.pictures(prompts, sampling, progress):
            # By prompt and seed, not by position: pictures that overflow are skipped.
            target = waiting[picture.prompt, picture.asked].pop(0)
            told = settings | drawn_with(picture.together)
            say(str(save_picture(picture.image, target, Origin(picture.prompt, picture.seed, told))))


def _asked(options: argparse.Namespace) -> list[str]:
    """Prompts and classes, in the order that they were given in."""
    return [*options.prompts, *(_prompts_in(options.prompts_file) if options.prompts_file else ()), *options.classes]


def _prompts_in(file: str) -> list[str]:
    """The lines of a text file that are not empty."""
    content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{file} is no text in UTF-8; save it as that.") from None
    if not (prompts := [line.strip() for line in lines if line.strip()]):
        raise ValueError(f"There is no prompt in {file}; write one a line.")
    return prompts


def _checked(asked: list[str], options: argparse.Namespace, pipeline: Pipeline) -> list[str]:
    """The prompts or classes to draw; [""] for a model without either, or where no class is named."""
    if options.classes and pipeline.classes is None:
        instead = "give a prompt instead" if pipeline.text_encoder else "leave --class away"
        raise ValueError(f"The model {pipeline.name!r} knows no classes; {instead}.")
    if not asked and pipeline.text_encoder is not None:
        raise ValueError(f"The model {pipeline.name!r} needs a prompt: say what to draw.")
    return asked or [""]


def _sampling(options: argparse.Namespace, pipeline: Pipeline) -> Sampling:
    from ..samplers import Sequential
    from ..sampling import Sampling

    return Sampling(
        seed=tuple(options.seeds or (0,)),
        count=options.count,
        best_of=options.best_of,
        guidance=options.guidance,
        negative=options.negative,
        size=options.size,
        sampler=Sequential() if options.sampler == "sequential" else pipeline.jacobi(options.tolerance),
        denoise=options.denoise,
        temperature=options.temperature,
        guided=options.guided,
        annealed=options.annealed,
        attention_temperature=options.attention_temperature,
    )
