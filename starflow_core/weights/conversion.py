"""Convert a published file to the flow of a model folder, a few hundred megabytes at a time."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..codecs.classes import Classes
from ..flow.config import StarFlowConfig, TarFlowConfig
from ..flow.state_dict import UNUSED_PRIOR, check_names
from ..quantization.formats import layers_to_quantize, stored_as, stored_sizes
from ..quantization.layer import QuantizedLinear
from ..sampling import SamplingDefaults
from .archive import read_checkpoint
from .model_folder import KINDS, WEIGHTS, write_config
from .published import published_config
from .store import UNFINISHED
from .tensors import save_tensors

SHARD = 400_000_000  # bytes, as converted
PLAN = ".conversion.json"  # names the file that the shards come from, until all are written
CONVERTIBLE = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
Report = Callable[[int], None]


@dataclass(frozen=True)
class Converted:
    """The result of a conversion.

    Attributes:
        model_type: `starflow` or `tarflow`.
        config: of the flow.
        parameters: their number.
        noise: of the training, with where it is known from, in words.
        changes: to the weights, in words.
        weight_format: of the weights of large layers; None for plain ones.
    """

    model_type: str
    config: StarFlowConfig | TarFlowConfig
    parameters: int
    noise: str
    changes: tuple[str, ...]
    weight_format: str | None = None


def convert(
    file: Path,
    folder: Path,
    *,
    dtype: torch.dtype = torch.bfloat16,
    weight_format: str | None = None,
    noise_std: float | None = None,
    key: str | None = None,
    report: Report | None = None,
) -> Converted:
    """Write the flow of a published checkpoint into a folder, as safetensors in shards.

    Shards that an earlier, interrupted conversion of the same file has written are kept.

    Args:
        file: the `.pth` or `.safetensors` file.
        folder: to write into; made where it does not exist.
        dtype: of the weights on disk.
        weight_format: of the weights of large layers, such as `int8`; see `quantization`.
        noise_std: of the Gaussian noise in training; see `published_config` where None.
        key: of the weights, in a file with more than one set of them, such as `ema`.
        report: called with the number of bytes converted since the last call; an exception that it raises cancels.

    Raises:
        ValueError: the file is not a published flow, has other tensors, or has numbers outside the dtype's range.
        OSError: the folder cannot be written.
    """
    tensors = read_checkpoint(file, key)
    config, noise = published_config(tensors, noise_std, file.name)
    kind: Any
    model_type, kind = next((name, kind) for name, (made, kind) in KINDS.items() if isinstance(config, made))
    dropped = [UNUSED_PRIOR] if model_type == "starflow" else []
    wanted = {name: tensor for name, tensor in tensors.items() if name not in dropped}
    with torch.device("meta"):
        model = kind(config)
    check_names(model.state_dict(), wanted, kind.__name__)
    _check_dtypes(wanted)
    layers = layers_to_quantize(model, weight_format) if weight_format else {}

    stored = {name: stored_sizes(layers, name, tensor, dtype.itemsize) for name, tensor in wanted.items()}
    sizes = {name: sum(parts.values()) for name, parts in stored.items()}
    parameters = sum(tensor.numel() for name, tensor in wanted.items() if name != UNUSED_PRIOR)
    found = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in wanted.values()})
    del tensors, wanted  # and with them the pages of the file that were read

    shards = list(_shards(sizes))
    folder.mkdir(parents=True, exist_ok=True)
    _start_over_unless_same(folder, file, f"{dtype} {weight_format} {key}", len(shards))
    for number, names in enumerate(shards, 1):
        path = folder / _shard_name(number, len(shards))
        if not _is_whole(path, [part for name in names for part in stored[name]]):
            _write_shard(file, path, names, dtype, layers, key)
        if report is not None:
            report(sum(sizes[name] for name in names))
    _write_index(folder, [[part for name in names for part in stored[name]] for names in shards], sum(sizes.values()))
    (folder / PLAN).unlink()
    target = str(dtype).removeprefix("torch.")
    changes = [f"converted from {', '.join(found)} to {target}"] if found != [target] else []
    changes += [f"weights of large layers rounded to {weight_format}"] if weight_format else []
    changes += ["stored as safetensors", "buffers without meaning left out (attn_mask, feat_rope, an unused var)"]
    return Converted(model_type, config, parameters, noise, tuple(changes), weight_format)


def _start_over_unless_same(folder: Path, file: Path, precision: str, shards: int) -> None:
    """Remove the shards of another conversion."""
    status = file.stat()
    plan = {"size": status.st_size, "changed": status.st_mtime_ns, "precision": precision, "shards": shards}
    path = folder / PLAN
    if not path.exists() or path.read_text(encoding="utf-8") != json.dumps(plan):
        for old in folder.glob("model*.safetensors*"):
            old.unlink()
        path.write_text(json.dumps(plan), encoding="utf-8")


def _check_dtypes(tensors: Mapping[str, Tensor]) -> None:
    others = sorted(f"{name} ({tensor.dtype})" for name, tensor in tensors.items() if tensor.dtype not in CONVERTIBLE)
    if others:
        raise ValueError(f"These are no published weights, whose numbers are floating-point: {', '.join(others[:6])}.")


def _shards(sizes: Mapping[str, int]) -> Iterator[Sequence[str]]:
    """Names of tensors, in order, by shard."""
    shard: list[str] = []
    filled = 0
    for name, size in sizes.items():
        if shard and filled + size > SHARD:
            yield shard
            shard, filled = [], 0
        shard.append(name)
        filled += size
    yield shard


def _shard_name(number: int, count: int) -> str:
    return WEIGHTS if count == 1 else WEIGHTS.replace(".", f"-{number:05}-of-{count:05}.")


def _write_shard(
    file: Path,
    path: Path,
    names: Sequence[str],
    dtype: torch.dtype,
    layers: Mapping[str, type[QuantizedLinear]],
    key: str | None,
) -> None:
    # Opened again for every shard: the pages that were read of a mapped file stay in memory until it is closed.
    tensors = read_checkpoint(file, key)
    converted: dict[str, Tensor] = {}
    for name in names:
        # Large layers are rounded once, from the numbers of the file.
        own = torch.float32 if name.removesuffix(".weight") in layers else dtype
        converted |= stored_as(layers, name, _converted(name, tensors[name], own))
    save_tensors(converted, path, {"format": "pt"})


def _converted(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    result = tensor.detach().to(dtype, copy=True)
    if not bool(result.isfinite().all()):
        why = f"numbers too large for {dtype}; choose bfloat16" if bool(tensor.isfinite().all()) else "NaN or infinity"
        raise ValueError(f"{name} holds {why}.")
    return result


def _is_whole(path: Path, names: Sequence[str]) -> bool:
    try:
        with safe_open(path, framework="pt") as stored:
            return set(stored.keys()) == set(names)
    except (SafetensorError, OSError):
        return False


def _write_index(folder: Path, shards: Sequence[Sequence[str]], size: int) -> None:
    if len(shards) == 1:
        return
    names = {name: _shard_name(number, len(shards)) for number, shard in enumerate(shards, 1) for name in shard}
    index: dict[str, Any] = {"metadata": {"total_size": size}, "weight_map": names}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def convert_file(
    file: Path,
    folder: Path,
    *,
    noise_std: float | None = None,
    classes: Sequence[str] = (),
    dtype: torch.dtype = torch.bfloat16,
    weight_format: str | None = None,
    key: str | None = None,
) -> Converted:
    """Write the flow of a published file as a model folder, which gets its name when it is complete.

    An interrupted conversion continues from its files beside the folder; a refused one removes them.

    Args:
        file: the `.pth` or `.safetensors` file.
        folder: to write; must be empty or not exist.
        noise_std: of the Gaussian noise in training, 0 for uniform dequantisation noise; see `published_config` where
            None.
        classes: their names; numbers by default.
        dtype: of the weights on disk.
        weight_format: of the weights of large layers, such as `int8`; see `quantization`.
        key: of the weights, in a file with more than one set of them, such as `ema`.

    Raises:
        ValueError: the file is not a published flow, there is no such format, the folder is not empty, or the
            names do not fit.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not empty; choose another folder.")
    config, _ = published_config(read_checkpoint(file, key), noise_std, file.name)
    class_names(classes, config.num_classes)  # raise before the work
    part = folder.with_name(folder.name + UNFINISHED)
    if part.exists() and not (part / PLAN).is_file():
        raise ValueError(f"{part}, which is needed for the work, is there already; move it elsewhere first.")
    try:
        converted = convert(file, part, dtype=dtype, weight_format=weight_format, noise_std=noise_std, key=key)
        write_flow_config(part, converted, 0.0, classes)
    except ValueError:
        if (part / PLAN).is_file():
            shutil.rmtree(part)
        raise
    if folder.exists():
        folder.rmdir()
    os.replace(part, folder)
    return converted


def class_names(given: Sequence[str], count: int) -> tuple[str, ...]:
    """The names of a flow's classes; their numbers by default.

    Raises:
        ValueError: their number is wrong, or two are the same.
    """
    if given and len(given) != count:
        raise ValueError(f"{len(given)} names of classes were given; the flow has {count} classes.")
    return Classes(tuple(given)).entries if given else tuple(str(label) for label in range(count))


def write_flow_config(folder: Path, converted: Converted, guidance: float, classes: Sequence[str]) -> None:
    """The `config.json` of a converted flow."""
    names = class_names(classes, converted.config.num_classes)
    defaults = SamplingDefaults(guidance=guidance, denoise=converted.config.noise_std > 0)
    write_config(folder, converted.model_type, converted.config, defaults, names, converted.weight_format)
