"""What commands that measure pictures share: their options, and going on past what cannot be measured."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .files import check_writable
from .names import Target, output_path
from .options import add_model_options
from .sizes import Fitted, fitted

if TYPE_CHECKING:
    from ..pipeline import Pipeline

MAP_KINDS = (".png", ".npy")


def add_picture_options(command: argparse.ArgumentParser, map_help: str) -> None:
    """Pictures, noise draws, a map, JSON, and the model."""
    command.add_argument("images", nargs="+", metavar="IMAGE", help="a picture file")
    command.add_argument("--draws", type=int, default=4, help="number of noise draws to average over")
    command.add_argument("--seed", type=int, default=0, help="of the noise draws")
    command.add_argument("--map", metavar="FILE", help=f"{map_help}, .png or .npy")
    command.add_argument("--json", action="store_true", help="print JSON, one object per line")
    add_model_options(command)


def checked_map_file(options: argparse.Namespace) -> Path | None:
    """Check the options; return the file of the map, None if there is to be none.

    Raises:
        ValueError: an option is out of range, or the map cannot be written.
    """
    from ..flow.noise import check_seed
    from ..pipeline import check_draws

    check_draws(options.draws)
    check_seed(options.seed)
    if not options.map:
        return None
    if len(options.images) > 1:
        raise ValueError("--map takes a single picture; give one, or leave --map away.")
    path = output_path(options.map, MAP_KINDS)
    check_writable(Target(path, is_asked_for=True))
    return path


def listed(images: Sequence[str]) -> list[tuple[str, str]]:
    """The files, and those in the folders among them; each with its name, which is relative to its folder."""
    from ..insight.evaluation import pictures_in

    found = []
    for given in images:
        if Path(given).is_dir():
            found += [(str(file), str(file.relative_to(given))) for file in pictures_in(Path(given))]
        else:
            found.append((given, Path(given).name))
    return found


def map_files(pictures: Sequence[tuple[str, str]], folder: Path) -> list[Path]:
    """Where the map of each picture goes.

    Raises:
        ValueError: two pictures have the same name.
    """
    names = [name for _, name in pictures]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"Two of the pictures are named {twice}, and so would their maps be; score one of them alone.")
    return [folder / f"{name}.png" for name in names]


def each_picture(pipeline: Pipeline, paths: Sequence[str], use: Callable[[str, Fitted], None]) -> int:
    """Call `use` with each path and its picture; say what is wrong with a picture, and go on.

    Returns:
        the exit status: 1 if something was wrong with any, 0 otherwise.
    """
    done = [_is_done(pipeline, path, use) for path in paths]
    return 0 if all(done) else 1


def _is_done(pipeline: Pipeline, path: str, use: Callable[[str, Fitted], None]) -> bool:
    try:
        use(path, fitted(pipeline, path))
    except ValueError as error:
        told = str(error)
        print(f"starflow: {told if path in told else f'{path}: {told}'}", file=sys.stderr, flush=True)
        return False
    return True
