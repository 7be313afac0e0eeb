"""Files that the command writes: their kind and place checked before the work, and written whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from PIL import Image, PngImagePlugin


def output_path(name: str, *suffixes: str) -> Path:
    """The path of a file to write, of a kind that can be: PNG, or one of the other suffixes.

    Raises:
        ValueError: it is of another kind.
    """
    path, kinds = Path(name), (".png", *suffixes)
    if path.suffix.lower() not in kinds:
        raise ValueError(f"{path} does not end with {' or '.join(kinds)}, which is all that can be written.")
    return path


def file_stem(prompt: str, seed: int) -> str:
    """What a picture's file is called, without its suffix: after its prompt and its seed."""
    slug = re.sub(r"[^\w]+", "-", prompt.lower()).strip("-")[:60] or "picture"
    return f"{slug}-{seed}"


def check_writable(path: Path) -> None:
    """Find out before the work, not after it, that a file cannot be written.

    Raises:
        ValueError: its folder is missing or closed, or a folder has its name.
    """
    if not path.parent.is_dir():
        raise ValueError(f"There is no folder {path.parent} to write {path.name} into; make it first.")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path} cannot be written; choose another file.")


def save_png(image: Image.Image, path: Path, text: PngImagePlugin.PngInfo | None = None) -> None:
    """Write a picture, with its text chunks."""
    with _written_whole(path) as part:
        image.save(part, format="PNG", pnginfo=text)


def save_map(log_prob_map: torch.Tensor, picture: Image.Image, path: Path) -> None:
    """Write a map of log-likelihoods (H', W'): its numbers to an .npy file, its picture to any other."""
    if path.suffix.lower() == ".npy":
        import numpy as np

        with _written_whole(path) as part, part.open("wb") as file:
            np.save(file, log_prob_map.numpy())
    else:
        save_png(picture, path)


@contextmanager
def _written_whole(path: Path) -> Iterator[Path]:
    """A name beside the file, which becomes the file when all is written, so that a full disk leaves no half of one."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
