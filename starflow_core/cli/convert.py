"""`starflow convert`: a published file as a model folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..quantization import NAMES
from .options import DTYPES, new_command


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "convert", _convert, "turn a published file into a model folder")
    command.add_argument("file", type=Path, metavar="FILE", help="a .pth or .safetensors file")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="folder to write")
    command.add_argument(
        "--noise-std",
        type=float,
        metavar="STD",
        help="of the noise in training, 0 for dequantisation; by default from the name of a published file",
    )
    command.add_argument("--classes", default="", metavar="NAMES", help="names of the classes, with commas between")
    command.add_argument("--dtype", choices=DTYPES, default="bfloat16", help="of the weights on disk")
    command.add_argument("--key", help="which weights, where a file holds several sets, such as model and ema")
    command.add_argument("--quantize", choices=NAMES, help="keep the weights of large layers in few bits")


def _convert(options: argparse.Namespace) -> None:
    import torch

    from ..weights.conversion import convert_file

    names = [name.strip() for name in options.classes.split(",") if name.strip()]
    dtype = getattr(torch, options.dtype)
    converted = convert_file(
        options.file,
        options.folder,
        noise_std=options.noise_std,
        classes=names,
        dtype=dtype,
        weight_format=options.quantize,
        key=options.key,
    )
    print(f"{options.folder}: {converted.parameters:,} parameters, {converted.noise}")
    if converted.config.txt_size:
        print(
            "This is the flow alone. To draw, it needs text_encoder/, tokenizer/ and vae/ beside it, as "
            f"`starflow fetch starflow-3b --from {options.file}` brings them."
        )
