"""Weights in a folder: safetensors, in one file or in shards with an index."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..progress import OnProgress

PICKLES = ("*.pth", "*.pt", "*.bin", "*.ckpt", "*.pkl")
# Up to this many bytes all numbers are checked; larger files take seconds, and their conversion checked them.
LOOKED_THROUGH = 4e9


def read_weights(folder: Path, file: str, on_progress: OnProgress = lambda done, total: None) -> dict[str, Tensor]:
    """All tensors of a safetensors file, or of the shards that its index names, mapped into memory.

    Args:
        folder: of the weights.
        file: name of the file, or of the single file that the shards replace.
        on_progress: called after each tensor with the bytes read, of all.

    Raises:
        ValueError: a file is missing, cut short or damaged, the index is none, or a number is NaN or infinite.
    """
    check_weights(folder, file)
    files = shards(folder, file)
    total, done = sum(shard.stat().st_size for shard in files), 0
    tensors: dict[str, Tensor] = {}
    for shard in files:
        for name, tensor in _tensors(shard):
            tensors[name] = tensor
            done += tensor.nbytes
            on_progress(done, total)
    if sum(tensor.nbytes for tensor in tensors.values()) <= LOOKED_THROUGH:
        _check_finite(folder, tensors)
    return tensors


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, mapped into memory.

    Raises:
        ValueError: the file is cut short or damaged.
    """
    return dict(_tensors(path))


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors to a safetensors file, which replaces one of the same name.

    Raises:
        OSError: the file cannot be written; one of the same name is unchanged.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.touch()
        mode = part.stat().st_mode  # of any new file; `save_file` would let nobody but the owner read it
        save_file(dict(tensors), part, None if metadata is None else dict(metadata))
        part.chmod(mode)
        os.replace(part, path)
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written ({error}); is the disk full?") from error
    finally:
        part.unlink(missing_ok=True)


def check_weights(folder: Path, file: str) -> None:
    """Raise where a file of weights is missing.

    Raises:
        ValueError: the message says which, and what to do about the pickle that is there instead.
    """
    if missing := [shard for shard in shards(folder, file) if not shard.is_file()]:
        hint = "fetch the model again."
        if pickles := sorted(path.name for pattern in PICKLES for path in folder.glob(pattern)):
            hint = f"{pickles[0]} is a pickle, which could run code and is not loaded; convert it to safetensors."
        raise ValueError(f"{missing[0]} is missing; {hint}")


def shards(folder: Path, file: str) -> list[Path]:
    """The files of the weights: the one of this name, or those that its index names.

    Raises:
        ValueError: the index is none, or names files elsewhere.
    """
    index = f"{file}.index.json"
    if (folder / file).is_file() or not (folder / index).is_file():
        return [folder / file]
    names = read_json(folder, index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ValueError(f"{folder / index} has no 'weight_map'; fetch it again.")
    files = sorted({str(name) for name in names.values()})
    if outside := [name for name in files if Path(name).name != name or not name.endswith(".safetensors")]:
        raise ValueError(f"{folder / index} names {outside[0]!r}, which is no safetensors file beside it.")
    return [folder / name for name in files]


def read_json(folder: Path, file: str) -> dict[str, Any]:
    """A file of a model folder that holds a JSON object.

    Raises:
        ValueError: it is missing, or holds anything else.
    """
    path = folder / file
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; {folder} is no complete model folder.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object.")
    return content


def _tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as stored:
            for name in stored.keys():  # noqa: SIM118 — no mapping
                yield name, stored.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is cut short or damaged ({error}); fetch it again.") from error


def _check_finite(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    if wrong := sorted(name for name, tensor in tensors.items() if not _is_finite(tensor)):
        more = f" and {len(wrong) - 1} other tensors" if len(wrong) > 1 else ""
        raise ValueError(
            f"The weights in {folder} are damaged: {wrong[0]}{more} hold NaN or infinite numbers. Fetch or convert "
            "them again; a training that has diverged must go back to an earlier checkpoint."
        )


def _is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or tensor.itemsize < 2 or tensor.numel() == 0:
        return True
    return all(math.isfinite(float(extreme)) for extreme in tensor.aminmax())  # thirty times as fast as isfinite()
