"""Options that several commands share, and how they are read."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..quantization import NAMES

if TYPE_CHECKING:
    from ..pipeline import Pipeline

DTYPES = ("float32", "bfloat16", "float16")
DRAWS_WELL = "starflow-mini"
HAS_LEARNT_A_DISTRIBUTION = "starflow-mini-128"


def new_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int | None], purpose: str
) -> argparse.ArgumentParser:
    """A command of `starflow`; `run` returns its exit status, None for success."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=f"{purpose.capitalize()}.")
    command.set_defaults(run=run)
    return command


def add_model_options(
    command: argparse.ArgumentParser,
    dtype: str = "by default bfloat16 on newer NVIDIA cards, float32 elsewhere",
    model: str | None = DRAWS_WELL,
) -> None:
    """Which model a command works with, and where.

    Args:
        command: to add the options to.
        dtype: says what the flow's dtype is by default.
        model: the default; None if the command finds it out by itself.
    """
    default = f"; {model} by default" if model else ""
    command.add_argument("--model", metavar="NAME", default=model, help=f"name or folder of the model{default}")
    command.add_argument(
        "--lora",
        dest="loras",
        action="append",
        metavar="FILE[:STRENGTH]",
        help="a LoRA of the model, from `starflow train`; give it again for more",
    )
    command.add_argument("--device", help="cuda, mps or cpu; by default the best available one")
    command.add_argument("--dtype", choices=DTYPES + NAMES, help=f"of the flow, or of its weights alone; {dtype}")


def load_model(options: argparse.Namespace, default_dtype: str | None = None) -> Pipeline:
    """The pipeline that a command's options ask for.

    Raises:
        ValueError: there is no such model or device, or the model cannot be read.
    """
    import torch

    from ..weights.model_folder import load

    chosen = options.dtype or default_dtype
    dtype: torch.dtype | str | None = getattr(torch, chosen) if chosen in DTYPES else chosen
    pipeline = load(options.model, device=options.device, dtype=dtype)
    if not options.loras:
        return pipeline
    from ..lora.adapter import Lora
    from ..lora.apply import parsed, with_loras

    named = [parsed(text) for text in options.loras]
    return with_loras(pipeline, [(Lora.load(file), strength) for file, strength in named])


def size(text: str) -> tuple[int, int]:
    """Width and height from 64 or 96x64.

    Raises:
        ArgumentTypeError: the text is neither.
    """
    match = re.fullmatch(r"(\d{1,6})(?:[x×](\d{1,6}))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write it like 64 or 96x64")
    width, height = match[1], match[2] or match[1]
    return int(width), int(height)
