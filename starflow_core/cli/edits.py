"""Options that the commands which edit a picture share, and what their files say."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .generate import SAMPLERS
from .options import add_model_options, size

if TYPE_CHECKING:
    from ..pipeline import Pipeline
    from ..png_text import Origin
    from ..sampling import Sampling


def add_drawing_options(command: argparse.ArgumentParser, *, guided: bool) -> None:
    """Size, sampler and model; where pictures are drawn anew, also how."""
    command.add_argument("--size", type=size, metavar="WxH", help="scale the picture to this size, in pixels")
    if guided:
        command.add_argument("--guidance", type=float, help="strength of guidance; 0 is off")
        command.add_argument("--negative", default="", metavar="PROMPT", help="what guidance steers away from")
        command.add_argument("--denoise", action=argparse.BooleanOptionalAction, help="remove the noise of training")
    command.add_argument("--temperature", type=float, metavar="T", help="of the noise; lower is likelier, less varied")
    command.add_argument("--sampler", choices=SAMPLERS, default="jacobi", help="jacobi is faster")
    command.add_argument("--tolerance", type=float, default=0.01, help="of jacobi, against sequential; 0.01 is 1 %%")
    add_model_options(command)


def asked_sampling(options: argparse.Namespace, pipeline: Pipeline, **more: Any) -> Sampling:
    """The settings that a command's options ask for.

    Raises:
        ValueError: one is out of range.
    """
    from ..samplers import Sequential
    from ..sampling import Sampling

    given = {
        name: getattr(options, name)
        for name in ("guidance", "negative", "denoise", "temperature", "size")
        if hasattr(options, name)
    }
    sampler = Sequential() if options.sampler == "sequential" else pipeline.jacobi(options.tolerance)
    return Sampling(sampler=sampler, **given, **more)


def edited(
    options: argparse.Namespace, pipeline: Pipeline, sampling: Sampling, edit: str, prompt: str, seed: int, **how: Any
) -> Origin:
    """What the file of an edited picture says: the edit by name, and the first picture's file name."""
    from ..png_text import Origin, settings_of

    settings = settings_of(pipeline, sampling, options.sampler, options.tolerance)
    return Origin(prompt, seed, {**settings, "edit": edit, "of": Path(options.image).name, **how})
