"""`starflow fetch`: download published weights."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import DTYPES, new_command

if TYPE_CHECKING:
    from ..weights.fetch import Progress
    from ..weights.table import Licence


def add(commands: Any) -> None:
    """Add the command."""
    command = new_command(commands, "fetch", _fetch, "bring a published model to this machine")
    command.add_argument("name", metavar="NAME", help="starflow-3b, tarflow-afhq256, or owner/name on the Hub")
    command.add_argument("--accept-license", action="store_true", help="accept the licence, which is shown first")
    command.add_argument(
        "--from", dest="given", type=Path, metavar="FILE", help="the .pth file, if it is on this machine"
    )
    command.add_argument("--dtype", choices=DTYPES, default="bfloat16", help="of the flow on disk")


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


class _Bars:
    """A bar for the download and one for the conversion, with speed and time left; on a terminal only."""

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
