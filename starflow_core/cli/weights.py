"""The commands that bring, list and convert weights: `starflow fetch`, `models` and `convert`."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import DTYPES, add_command

if TYPE_CHECKING:
    from ..weights.fetch import Progress
    from ..weights.table import Licence


def add_weights_commands(commands: Any) -> None:
    """Add this module's commands."""
    fetch = add_command(commands, "fetch", _fetch, "bring a published model to this machine")
    fetch.add_argument("name", metavar="NAME", help="starflow-3b, tarflow-afhq256, or owner/name on the Hub")
    fetch.add_argument("--accept-license", action="store_true", help="accept the licence, which is shown first")
    fetch.add_argument(
        "--from", dest="given", type=Path, metavar="FILE", help="the .pth file, where it is on this machine"
    )
    fetch.add_argument("--dtype", choices=DTYPES, default="bfloat16", help="of the flow on disk")

    models = add_command(commands, "models", _models, "list the models on this machine, and those that can be fetched")
    models.add_argument("--remove", metavar="NAME", help="remove a model that was fetched")

    convert = add_command(commands, "convert", _convert, "turn a published .pth file into a model folder")
    convert.add_argument("file", type=Path, metavar="FILE", help="a .pth file")
    convert.add_argument("folder", type=Path, metavar="FOLDER", help="to write")
    convert.add_argument("--noise-std", type=float, help="of the noise in training; 0 for dequantisation")
    convert.add_argument("--classes", default="", metavar="NAMES", help="names of the classes, with commas between")
    convert.add_argument("--dtype", choices=DTYPES, default="bfloat16", help="of the weights on disk")


def _fetch(options: argparse.Namespace) -> None:
    import torch

    from ..weights.fetch import LicenceError, fetch

    with closing(_Bars()) as bars:
        try:
            folder = fetch(
                options.name,
                dtype=getattr(torch, options.dtype),
                accepts=lambda licence: _accepts(licence, options.accept_license),
                report=bars,
                given=options.given,
            )
        except LicenceError as error:
            raise ValueError(f"{error} Accept it with --accept-license.") from error
    print(f"{options.name} is in {folder}; try: starflow generate --model {options.name} ...")


def _accepts(licence: Licence, accepted: bool) -> bool:
    """Show a licence, and ask on a terminal whether it is accepted."""
    print(f"{licence.name}: {licence.summary}\n{licence.attribution}\n{licence.address}", file=sys.stderr)
    if accepted or not sys.stdin.isatty():
        return accepted
    return input("Do you accept this licence? [y/N] ").strip().lower() in ("y", "yes")


def _models(options: argparse.Namespace) -> None:
    from ..weights.model_folder import EMBEDDED, embedded_models
    from ..weights.store import Store, Stored
    from ..weights.table import CHECKPOINTS

    store = Store()
    if options.remove:
        freed = store.remove(options.remove)
        print(f"{options.remove} is removed; {freed / 1e9:.2f} GB are free again.")
        return
    here = [Stored(name, EMBEDDED / name) for name in embedded_models()] + store.all()
    for stored in here:
        kind = "embedded" if stored.folder.parent == EMBEDDED else "fetched"
        print(f"{stored.name:<20} {kind:<9} {_in_units(stored.size):>9}  {stored.folder}")
    names = {stored.name for stored in here}
    for checkpoint in CHECKPOINTS.values():
        if checkpoint.name not in names:
            size = _in_units(checkpoint.download_size)
            print(f"{checkpoint.name:<20} {'to fetch':<9} {size:>9}  {checkpoint.title}")


def _in_units(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _convert(options: argparse.Namespace) -> None:
    import torch

    from ..weights.conversion import convert_file

    names = [name.strip() for name in options.classes.split(",") if name.strip()]
    dtype = getattr(torch, options.dtype)
    converted = convert_file(options.file, options.folder, noise_std=options.noise_std, classes=names, dtype=dtype)
    print(f"{options.folder}: {converted.parameters:,} parameters")
    if converted.config.txt_size:
        print(
            "This is the flow alone. To draw, it needs text_encoder/, tokenizer/ and vae/ beside it, as "
            f"`starflow fetch starflow-3b --from {options.file}` brings them."
        )


class _Bars:
    """A bar for what is fetched and one for what is converted, with speed and time left; on a terminal only."""

    def __init__(self) -> None:
        self._bars: dict[str, Any] = {}

    def __call__(self, progress: Progress) -> None:
        from tqdm import tqdm

        if progress.stage not in self._bars:
            self.close()
            self._bars[progress.stage] = tqdm(desc=progress.stage, unit="B", unit_scale=True, disable=None)
        bar = self._bars[progress.stage]
        bar.total = progress.total
        bar.update(progress.done - bar.n)

    def close(self) -> None:
        for bar in self._bars.values():
            bar.close()
