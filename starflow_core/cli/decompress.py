"""`starflow decompress`: the pictures of `starflow compress`, bit by bit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import save_picture
from .names import Target
from .options import new_command
from .progress import picture_bar
from .sfl import SUFFIX, each_told, targets

if TYPE_CHECKING:
    from ..compression import Codec

KINDS = (".png",)  # that keeps every pixel of every mode


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "decompress", _decompress, f"get pictures back from {SUFFIX} files, bit by bit")
    command.add_argument("images", nargs="+", metavar="FILE", help=f"{SUFFIX} files")
    command.add_argument(
        "-o", "--output", metavar="PICTURE", help="a .png file, or a folder/; by default beside each file"
    )


def _decompress(options: argparse.Namespace) -> int:
    from ..compression import Codec

    pairs = targets(options.images, options.output, KINDS)
    codec = Codec()
    return each_told(pairs, lambda path, target: _one(codec, path, target))


def _one(codec: Codec, path: Path, target: Target) -> str:
    data = path.read_bytes()
    with picture_bar("pixel") as progress:
        picture = codec.decompress(data, on_progress=progress)
    return f"{save_picture(picture, target)}: {picture.width}×{picture.height}, {picture.mode}, as it was"
