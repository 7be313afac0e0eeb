"""`starflow compress`: pictures to files that give them back bit by bit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import write_whole
from .names import Target
from .options import new_command
from .progress import picture_bar
from .sfl import SUFFIX, each_told, targets

if TYPE_CHECKING:
    from ..compression import Codec


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "compress", _compress, "compress pictures without loss, with a flow")
    command.add_argument("images", nargs="+", metavar="PICTURE", help="8-bit picture files of any size")
    command.add_argument(
        "-o", "--output", metavar="FILE", help=f"the {SUFFIX} file, or a folder/; by default beside each picture"
    )


def _compress(options: argparse.Namespace) -> int:
    from ..compression import Codec

    pairs = targets(options.images, options.output, [SUFFIX])
    codec = Codec()
    return each_told(pairs, lambda path, target: _one(codec, path, target))


def _one(codec: Codec, path: Path, target: Target) -> str:
    from ..images import open_unchanged

    picture = open_unchanged(path)
    with picture_bar("pixel") as progress:
        data = codec.compress(picture, on_progress=progress)
    written = write_whole(target, lambda part: part.write_bytes(data))
    bits = 8 * len(data) / (picture.width * picture.height)
    share = len(data) / max(path.stat().st_size, 1)
    return f"{written}: {len(data):,} bytes, {bits:.2f} bits a pixel, {share:.0%} of {path.name}"
