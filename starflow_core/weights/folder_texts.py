"""The origin and the card of a fetched folder, and settings that published files omit."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..codecs.autoencoder import AutoencoderConfig
from .store import ORIGIN
from .table import Checkpoint


def complete_autoencoder_config(folder: Path) -> None:
    """Write the scale of the latents, which the autoencoder's published configuration omits."""
    path = folder / "vae" / "config.json"
    if path.is_file():
        content = json.loads(path.read_text(encoding="utf-8"))
        content.setdefault("scaling_factor", AutoencoderConfig().scaling_factor)
        complete = path.with_suffix(".new")  # not in place: it may be a link into another program's cache
        complete.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        os.replace(complete, path)


def write_origin(folder: Path, checkpoint: Checkpoint, files: Sequence[dict[str, Any]], changes: Sequence[str]) -> None:
    """`origin.json`: files with their hashes, licences, and what was changed; and a card where there is none."""
    licences = [
        {"name": licence.name, "address": licence.address, "attribution": licence.attribution}
        for licence in checkpoint.licences
    ]
    origin = {"checkpoint": checkpoint.name, "files": list(files), "licences": licences, "changes": list(changes)}
    text = json.dumps(origin, indent=1, ensure_ascii=False) + "\n"
    (folder / ORIGIN).write_text(text, encoding="utf-8")
    card = folder / "README.md"
    if not card.exists():
        card.write_text(_card(checkpoint, files, changes), encoding="utf-8")


def _card(checkpoint: Checkpoint, files: Sequence[dict[str, Any]], changes: Sequence[str]) -> str:
    lines = [f"# {checkpoint.name}", "", checkpoint.title + ".", "", "## Licences"]
    for part in checkpoint.parts:
        licence = part.licence
        lines.append(f"- {part.source}: {licence.name}, {licence.summary} {licence.address}".rstrip())
        if licence.attribution:
            lines.append(f"  {licence.attribution}")
    lines += ["", "## Where it came from"]
    lines += [f"- {file['source']}, {file['name']}, sha256 {file['sha256']}" for file in files]
    if changes:
        lines += ["", "## What was changed"]
        lines += [f"- {change}" for change in changes]
    return "\n".join(lines) + "\n"
