"""`starflow merge`: a model with LoRAs as a model of its own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .options import add_model_options, load_model, new_command


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "merge", _merge, "write a model with LoRAs as a model folder of its own")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="to write; it must not be there yet")
    add_model_options(command)


def _merge(options: argparse.Namespace) -> None:
    from ..weights.model_folder import save

    folder: Path = options.folder
    if not options.loras:
        raise ValueError("There is nothing to merge; name a LoRA with --lora FILE:STRENGTH.")
    if folder.exists():
        raise ValueError(f"{folder} is there already; name a folder that is not.")
    save(load_model(options), folder)
    print(f"{folder}: {options.model} with {len(options.loras)} LoRA{'s' * (len(options.loras) != 1)}.")
