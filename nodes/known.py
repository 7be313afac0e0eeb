"""Classes and sizes of the models on this machine, read without loading them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from starflow_core.codecs.autoencoder import AutoencoderConfig
from starflow_core.codecs.classes import Classes
from starflow_core.images import fitted_size
from starflow_core.weights.model_folder import EMBEDDED, embedded_models, read_config, read_flow_config
from starflow_core.weights.store import fetched

AS_NAMED = "as named"  # the entry for no class
RATIOS = ("1:1", "2:3", "3:2", "4:5", "5:4", "9:16", "16:9", "9:21", "21:9")

Found = TypeVar("Found")


def class_names() -> list[str]:
    """The entry for no class, then the classes of all models on this machine."""
    found = _read(lambda folder: Classes(tuple(read_config(folder).get("classes", []))).names)
    return list(dict.fromkeys([AS_NAMED, *(name for names in found.values() for name in names)]))


def drawn_sizes() -> dict[str, dict[str, tuple[int, int]]]:
    """Width and height in pixels that a model draws, by model and aspect ratio."""
    return _read(_sizes)


def _sizes(folder: Path) -> dict[str, tuple[int, int]]:
    flow, autoencoder = read_flow_config(folder), folder / "vae" / "config.json"
    factor = AutoencoderConfig.from_dict(json.loads(autoencoder.read_text())).factor if autoencoder.exists() else 1
    is_fixed = flow.block(0).positions > 0

    def size(ratio: str) -> tuple[int, int]:
        across, down = map(int, ratio.split(":"))
        return fitted_size(across, down, factor * flow.img_size, factor * flow.patch_size)

    return {ratio: size(ratio) for ratio in (("1:1",) if is_fixed else RATIOS)}


def _read(read: Callable[[Path], Found]) -> dict[str, Found]:
    """A value read from each model's folder, by name; damaged ones are skipped, and the loader reports them."""
    folders = {name: EMBEDDED / name for name in embedded_models()} | {one.name: one.folder for one in fetched()}
    found: dict[str, Found] = {}
    for name, folder in folders.items():
        with suppress(ValueError, OSError):
            found[name] = read(folder)
    return found
