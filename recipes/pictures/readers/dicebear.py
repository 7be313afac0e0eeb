"""The npm packages `@dicebear/*`: avatars that a program assembles, with the names of their parts.

The program runs in Node.js, which must be installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from .. import avatars
from ..drawing import Drawing
from ..table import PictureSet

SCRIPT = Path(__file__).with_name("avatars.mjs")
SPARE = 1.3  # avatars to draw for each that is wanted, since some are the same
# These make features that captions name more frequent; a style uses the options that it knows.
OPTIONS = {
    "size": 128,
    "backgroundColor": ["transparent"],
    "glassesProbability": 35,
    "featuresProbability": 15,
    "earringsProbability": 15,
    "mustacheProbability": 25,
    "facialHairProbability": 25,
    "beardProbability": 35,
    "accessoriesProbability": 50,
    "maskProbability": 4,
}

# Hair colours, by style, that cannot be seen on white, since the style draws no outlines.
UNSEEN = {"dylan": "#ffffff"}


def read(picture_set: PictureSet, folders: Mapping[str, Path]) -> Iterator[Drawing]:
    """Yield as many avatars as the set's cap says, and some to spare; they are the same each time."""
    if picture_set.cap is None:
        raise ValueError(f"[{picture_set.key}] in sets.toml needs a cap: there is no end to avatars.")
    for row in _made(picture_set.key, folders, round(SPARE * picture_set.cap)):
        if row["parts"].get("hairColor") == UNSEEN.get(picture_set.key, ""):
            continue
        attributes = avatars.attributes(picture_set.key, row["parts"])
        yield Drawing(row["id"], avatars.name(attributes), row["svg"], (), "", attributes, said=True)


def _made(style: str, folders: Mapping[str, Path], number: int) -> Iterator[dict]:
    if shutil.which("node") is None:
        raise RuntimeError(f"The avatars of {style} are drawn by Node.js, and there is no `node` here; install it.")
    with tempfile.TemporaryDirectory() as work:
        for name in ("core", style):  # Node finds packages beside the script
            shutil.copytree(folders[f"dicebear-{name}"], Path(work) / "node_modules" / "@dicebear" / name)
        script = shutil.copy(SCRIPT, work)
        command = ["node", script, style, str(number), json.dumps(OPTIONS)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"Node.js failed to draw the avatars of {style}:\n{done.stderr}")
    yield from map(json.loads, done.stdout.splitlines())
