"""The authors and licences of the pictures: lines for NOTICE and the model card, and a check against the packages."""

from __future__ import annotations

import json
import re
import textwrap
from collections import defaultdict
from pathlib import Path

from .table import Package, PictureSet, packages, sets

WIDTH = 120  # of NOTICE's lines
NAMES = {
    "Apache-2.0": "the Apache License, Version 2.0",
    "MIT": "the MIT License",
    "CC-BY-4.0": "the Creative Commons Attribution 4.0 licence (https://creativecommons.org/licenses/by/4.0/)",
    "CC-BY-3.0": "the Creative Commons Attribution 3.0 licence (https://creativecommons.org/licenses/by/3.0/)",
    "CC0-1.0": "the Creative Commons CC0 1.0 dedication (https://creativecommons.org/publicdomain/zero/1.0/)",
    "public domain": "dedications to the public domain",
}


class LicenceError(ValueError):
    """A package and the table disagree about a set."""


def notice() -> str:
    """NOTICE's lines on the pictures: each licence with its sets, their authors and their packages."""
    by_licence: dict[str, list[PictureSet]] = defaultdict(list)
    for picture_set in sets().values():
        by_licence[picture_set.licence].append(picture_set)
    lines = []
    for licence, group in by_licence.items():
        lines.append(f"- under {NAMES[licence]}:")
        lines.extend(
            textwrap.fill(_owned(s), WIDTH, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)
            for s in group
        )
    return "\n".join(lines) + "\n"


def card(counts: dict[str, int]) -> str:
    """The model card's table of the sets, with the number of pictures in each."""
    lines = ["| set | author | licence | style | package | pictures |", "| --- | --- | --- | --- | --- | ---: |"]
    for s in sets().values():
        package = packages()[s.package]
        title = f"[{s.title}]({s.url})" if s.url else s.title
        lines.append(
            f"| {title} | {s.author} | {s.licence} | {s.style} | {package.name} {package.version} | "
            f"{counts.get(s.key, 0):,} |"
        )
    return "\n".join(lines) + "\n"


def check(picture_set: PictureSet, folder: Path) -> None:
    """Compare the title, author and licence in the table with those in the unpacked package of a set.

    Raises:
        LicenceError: they differ.
    """
    for field, said in _stated(picture_set, folder).items():
        ours = getattr(picture_set, field)
        if said != ours:
            raise LicenceError(
                f"[{picture_set.key}] in sets.toml has {field} {ours!r}, and its package says {said!r}. "
                "Read the package's licence again, and correct the table."
            )


def _stated(picture_set: PictureSet, folder: Path) -> dict[str, str]:
    """Return the title, author and licence that a package states, as far as this module can read them."""
    if picture_set.reader == "iconify":
        row = json.loads((folder / "collections.json").read_text())[picture_set.key]
        return {"title": row["name"], "author": row["author"]["name"], "licence": row["license"]["spdx"]}
    if (folder / "package.json").exists():
        licence = json.loads((folder / "package.json").read_text())["license"]
        found = re.findall(r"CC-BY-4\.0|CC0-1\.0|MIT", licence)
        # A package can be under the MIT License while its drawings are under CC0; then its file LICENSE says so.
        text = (folder / "LICENSE").read_text() if (folder / "LICENSE").exists() else ""
        drawings = "CC-BY-4.0" if "CC-BY-4.0" in found else "CC0-1.0" if "CC0" in text else "MIT"
        return {"licence": drawings}
    return {}


def _owned(picture_set: PictureSet) -> str:
    package: Package = packages()[picture_set.package]
    url = f" ({picture_set.url})" if picture_set.url else ""
    return f"{picture_set.title}, by {picture_set.author}{url}, by way of {package.name} {package.version}"
