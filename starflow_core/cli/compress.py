"""`starflow compress`: pictures to files that give them back bit by bit, or nearly so in far fewer bytes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from .files import write_whole
from .names import Target
from .options import HAS_LEARNT_A_DISTRIBUTION, new_command
from .progress import picture_bar
from .sfl import SUFFIX, each_told, lossy_codec, targets

if TYPE_CHECKING:
    from PIL import Image

    from ..progress import OnProgress

QUALITY = 50.0
Compress: TypeAlias = "Callable[[Image.Image, OnProgress], bytes]"


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "compress", _compress, "compress pictures with a flow, without loss or with it")
    command.add_argument("images", nargs="+", metavar="PICTURE", help="8-bit picture files of any size")
    command.add_argument(
        "-o", "--output", metavar="FILE", help=f"the {SUFFIX} file, or a folder/; by default beside each picture"
    )
    command.add_argument(
        "--lossy", action="store_true", help="keep nearly what is seen, in far fewer bytes; for drawings above all"
    )
    command.add_argument(
        "--quality", type=float, metavar="Q", help=f"of --lossy, from 0, the smallest, to 100; {QUALITY:g} by default"
    )
    command.add_argument(
        "--iterations",
        type=int,
        metavar="N",
        help="of the search of --lossy for what costs few bits and draws the picture well; 0 is quick, more is better",
    )
    command.add_argument(
        "--model",
        metavar="NAME",
        help=f"of --lossy: name or folder of a STARFlow in float32; {HAS_LEARNT_A_DISTRIBUTION} by default",
    )


def _compress(options: argparse.Namespace) -> int:
    pairs = targets(options.images, options.output, [SUFFIX])
    compress = _lossy(options) if options.lossy else _lossless(options)
    return each_told(pairs, lambda path, target: _one(compress, path, target))


def _lossless(options: argparse.Namespace) -> Compress:
    """Raises ValueError where an option is given that needs another."""
    for name in ("quality", "iterations", "model"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name} goes with --lossy; without it, pictures are kept exactly.")
    from ..compression import Codec

    codec = Codec()
    return lambda picture, on_progress: codec.compress(picture, on_progress=on_progress)


def _lossy(options: argparse.Namespace) -> Compress:
    """Raises ValueError where an option is out of range, or the model is none to compress with."""
    from ..compression.lossy import ITERATIONS, checked

    quality = QUALITY if options.quality is None else options.quality
    iterations = ITERATIONS if options.iterations is None else options.iterations
    checked(quality, iterations)
    codec = lossy_codec(options.model or HAS_LEARNT_A_DISTRIBUTION)
    return lambda picture, on_progress: codec.compress(
        picture, quality=quality, iterations=iterations, on_progress=on_progress
    )


def _one(compress: Compress, path: Path, target: Target) -> str:
    from ..images import open_unchanged

    picture = open_unchanged(path)
    with picture_bar("step") as progress:
        data = compress(picture, progress)
    written = write_whole(target, lambda part: part.write_bytes(data))
    bits = 8 * len(data) / (picture.width * picture.height)
    share = len(data) / max(path.stat().st_size, 1)
    return f"{written}: {len(data):,} bytes, {bits:.2f} bits a pixel, {share:.0%} of {path.name}"
