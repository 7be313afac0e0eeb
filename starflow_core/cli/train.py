"""`starflow train`: a model of your own pictures."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from ..training.choices import CONDITIONS, DTYPES, KINDS, MINUTES, NETWORKS, NOISE, SIDES
from .options import new_command
from .progress import say


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "train", _train, "train a model of your own pictures")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="with pictures, and folders of them")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL", help="folder of the model")
    command.add_argument(
        "--kind", choices=KINDS, help="a flow of pixels, the default, or of the embedded autoencoder's latents"
    )
    length = command.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=float, help=f"of training, which the size of the model follows from; {MINUTES:g} by default"
    )
    length.add_argument("--pictures", type=int, metavar="N", help="to see, in place of a time")
    sides = ", ".join(f"{side} for a {kind}" for kind, side in SIDES.items())
    command.add_argument("--size", type=int, help=f"side of the squares that the model sees, in pixels; {sides}")
    command.add_argument(
        "--crop", action="store_true", default=None, help="random squares at full resolution; otherwise scaled pictures"
    )
    command.add_argument("--mirror", action="store_true", default=None, help="mirror half of the pictures")
    command.add_argument(
        "--condition", choices=CONDITIONS, help="what the model is told of a picture; by default what is there"
    )
    command.add_argument("--network", choices=tuple(NETWORKS), help="size of the model; by default by the time")
    noises = ", ".join(f"{noise:g} for a {kind}" for kind, noise in NOISE.items())
    command.add_argument(
        "--noise",
        dest="noise_std",
        type=float,
        metavar="STD",
        help=f"on what it learns; {noises}; 0 for 8-bit pictures",
    )
    command.add_argument("--learning-rate", type=float, metavar="RATE", help="found by a short search by default")
    command.add_argument("--batch-size", type=int, metavar="N", help="pictures a step, in each process")
    command.add_argument("--base", metavar="NAME", help="name or folder of a model to train further")
    command.add_argument("--lora", type=int, metavar="RANK", help="train a LoRA of this rank of the base, not the base")
    command.add_argument(
        "--dtype", choices=DTYPES, help="of the base's weights beside a LoRA; bfloat16 takes half the memory"
    )
    command.add_argument("--seed", type=int, help="of everything random; 0 by default")
    command.add_argument("--device", help="cuda, mps or cpu; by default the best available one")


def _train(options: argparse.Namespace) -> int:
    from ..training.own import train
    from ..training.request import Request

    settings = {field.name: getattr(options, field.name) for field in dataclasses.fields(Request)}
    try:
        train(options.folder, options.output, device=options.device, say=say, **settings)
    except KeyboardInterrupt:
        say(f"The training is kept in {options.output}; the same command goes on with it.")
        raise
    return 0
