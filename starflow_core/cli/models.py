"""`starflow models`: list the models on this machine and those to fetch."""

from __future__ import annotations

import argparse
from typing import Any

from .options import new_command


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "models", _models, "list the models on this machine, and those that can be fetched")
    command.add_argument("--remove", metavar="NAME", help="remove a fetched model")


def _models(options: argparse.Namespace) -> None:
    from ..weights.model_folder import EMBEDDED, embedded_models
    from ..weights.store import Store, Stored
    from ..weights.table import CHECKPOINTS

    store = Store()
    if options.remove is not None:
        freed = store.remove(options.remove)
        print(f"{options.remove} is removed; {_in_units(freed)} are free again.")
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
