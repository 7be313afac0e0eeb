"""`starflow decompress`: the pictures of `starflow compress`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .files import save_picture
from .names import Target
from .options import new_command
from .progress import picture_bar
from .sfl import SUFFIX, each_told, lossy_codec, targets

KINDS = (".png",)  # that keeps every pixel of every mode


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "decompress", _decompress, f"get pictures back from {SUFFIX} files")
    command.add_argument("images", nargs="+", metavar="FILE", help=f"{SUFFIX} files")
    command.add_argument(
        "-o", "--output", metavar="PICTURE", help="a .png file, or a folder/; by default beside each file"
    )
    command.add_argument(
        "--model",
        metavar="NAME",
        help="name or folder of the model that a file was compressed with, with loss; by default the one that it names",
    )


def _decompress(options: argparse.Namespace) -> int:
    pairs = targets(options.images, options.output, KINDS)
    return each_told(pairs, lambda path, target: _one(options.model, path, target))


def _one(model: str | None, path: Path, target: Target) -> str:
    from ..compression import Codec
    from ..compression.envelope import Kind, kind_of

    data = path.read_bytes()
    is_exact = kind_of(data) == Kind.LOSSLESS
    codec = Codec() if is_exact else lossy_codec(model or _named(data))
    with picture_bar("step") as progress:
        picture = codec.decompress(data, on_progress=progress)
    how = "as it was" if is_exact else "nearly as it was"
    return f"{save_picture(picture, target)}: {picture.width}×{picture.height}, {picture.mode}, {how}"


def _named(data: bytes) -> str:
    """The embedded model that a file names; no other is loaded because a file from anywhere says so.

    Raises:
        CodecError: the file is damaged, or names another.
    """
    from ..compression import CodecError
    from ..compression.lossy.archive import from_bytes
    from ..weights.model_folder import embedded_models

    name = from_bytes(data).model
    if name not in embedded_models():
        raise CodecError(f"The file was compressed with the model {name!r}; say where it is: --model FOLDER.")
    return name
