"""The command line of the steps that make the pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("build/training")


@dataclass(frozen=True)
class Options:
    """The folders, and the sets to make."""

    folder: Path  # of images.npy, alpha.npy and subjects.jsonl
    packages: Path
    sets: tuple[str, ...]  # if empty, all sets


def options(description: str | None, argv: Sequence[str] | None = None) -> Options:
    """Parse the command line; the first line of the description is shown as help."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go; %(default)s by default")
    parser.add_argument("--packages", type=Path, help="where the packages are kept; FOLDER/packages by default")
    parser.add_argument("--sets", nargs="*", default=(), help="some of the sets only")
    parsed = parser.parse_args(argv)
    return Options(parsed.folder, parsed.packages or parsed.folder / "packages", tuple(parsed.sets))
