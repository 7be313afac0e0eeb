"""Output files: the path is checked before the work, and a file is written whole or not at all."""

from __future__ import annotations

import itertools
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .names import Target
from .names import file_stem as file_stem

if TYPE_CHECKING:
    import torch
    from PIL import Image, PngImagePlugin

    from ..png_text import Origin

LOSSLESS_WEBP = {"format": "WEBP", "lossless": True}
FINE_JPEG = {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"}


def check_writable(target: Target) -> None:
    """Check before the work that a file can be written.

    Raises:
        ValueError: its folder is missing or closed, a folder has its name, or its name is too long.
    """
    path = target.path
    folder = path.parent if target.is_asked_for else _nearest(path.parent)
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder} to write {path.name} into; make it first.")
    if not os.access(folder, os.W_OK) or (_is_folder(path) and target.is_asked_for):
        raise ValueError(f"{path} cannot be written; choose another file.")


def save_picture(image: Image.Image, target: Target, origin: Origin | None = None) -> Path:
    """Write a picture in the format of the file's suffix, with its prompt and settings; return the path.

    PNG and WebP keep each pixel; JPEG does not.
    """
    from ..png_text import exif_of, png_text

    suffix = target.path.suffix.lower()
    if suffix == ".png":
        how: dict[str, Any] = {"format": "PNG", "pnginfo": png_text(*origin) if origin else None}
    else:
        how = dict(LOSSLESS_WEBP if suffix == ".webp" else FINE_JPEG)
        if origin is not None:
            how["exif"] = exif_of(origin)
    return write_whole(target, lambda part: image.save(part, **how))


def save_png(image: Image.Image, path: Path, text: PngImagePlugin.PngInfo | None = None) -> None:
    """Write a picture as PNG, with its text chunks."""
    write_whole(Target(path, True), lambda part: image.save(part, format="PNG", pnginfo=text))


def save_map(log_prob_map: torch.Tensor, picture: Image.Image, path: Path) -> None:
    """Write a map of log-likelihoods (H', W'): its numbers to an .npy file, its picture to any other."""
    if path.suffix.lower() == ".npy":
        write_whole(Target(path, True), lambda part: _save_numbers(log_prob_map, part))
    else:
        save_png(picture, path)


def _save_numbers(tensor: torch.Tensor, path: Path) -> None:
    import numpy as np

    with path.open("wb") as file:  # np.save adds a suffix to a name
        np.save(file, tensor.numpy())


def write_whole(target: Target, write: Callable[[Path], object]) -> Path:
    """Write to a temporary file beside the target, and rename it when it is complete.

    A full disk leaves no partial file, and two programs that write at once do not mix.
    """
    path = target.path
    if not target.is_asked_for:
        path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        write(part)
        if not target.is_asked_for:
            path = _claimed(path)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _claimed(path: Path) -> Path:
    """Create an empty file at the path, or at the next free numbered one; creation is exclusive."""
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    for free in itertools.chain([path], numbered):
        try:
            free.open("x").close()
        except FileExistsError:
            continue
        return free
    raise AssertionError("numbers do not end")


def _nearest(folder: Path) -> Path:
    """The folder, or its nearest existing parent."""
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)


def _is_folder(path: Path) -> bool:
    """Whether a folder has this name; a name that no file can have is an error."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error.strerror}); choose another name.") from None
