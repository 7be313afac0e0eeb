"""Published files, read as tensors only: a `.pth` file is inspected before anything is unpickled."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..codecs.text_encoder import first_line
from ..flow.state_dict import published_state_dict
from . import old_format
from .pickles import MAX_PICKLE, check_pickle
from .tensors import read_safetensors

ENTRIES = re.compile(
    r"[^/\\]+/(data\.pkl|data/\d+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id)"
)


def read_checkpoint(path: Path, key: str | None = None) -> dict[str, Tensor]:
    """The tensors of a published `.pth` or `.safetensors` file, mapped into memory and not copied.

    Its first bytes decide between the formats. A `.pth` file from before torch 1.6 is read into memory.

    Args:
        path: of the file.
        key: of the weights, in a file with more than one set of them, such as `ema`.

    Raises:
        ValueError: there is no such file, it is damaged, it holds no tensors by name, or several sets of them and no
            key.
    """
    if _is_safetensors(path):
        if key is not None:
            raise ValueError(f"{path} holds one set of weights, and no {key!r} in it; leave the key out.")
        return published_state_dict(read_safetensors(path))
    is_old = old_format.is_old(path)
    if is_old:
        old_format.check(path)
    else:
        check_archive(path)
    if path.suffix == ".safetensors":  # which torch goes by
        raise ValueError(f"{path} is called .safetensors and is a .pth file; rename it.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=not is_old)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as a file of tensors: {first_line(error)}") from error
    tensors = published_state_dict(_chosen(path, content, key))
    if wrong := [name for name, tensor in tensors.items() if not _is_stored(tensor)]:
        raise ValueError(f"{path}: {', '.join(sorted(wrong)[:6])} take more numbers than the file holds for them.")
    return tensors


def check_archive(path: Path) -> None:
    """Inspect a `.pth` file without unpickling it.

    Raises:
        ValueError: it is not an archive of tensors, is damaged, or its pickle does more than name tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(path, entries)
            data = next(entry for entry in entries if entry.filename.endswith("/data.pkl"))
            check_pickle(path, archive.read(data))
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}.") from None
    except (zipfile.BadZipFile, OSError, StopIteration, NotImplementedError) as error:
        raise ValueError(
            f"{path} cannot be read as a file of tensors: {_what_it_is(path)} ({first_line(error)})."
        ) from error


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins like safetensors: the length of a JSON object that fits into the file, and a brace."""
    start = _first_bytes(path)
    length = int.from_bytes(start[:8], "little")
    return start[8:9] == b"{" and 8 + length <= path.stat().st_size


def _what_it_is(path: Path) -> str:
    """A guess, from its first bytes, at what a file that is not an archive is."""
    start = _first_bytes(path)
    if path.suffix == ".safetensors" or start.startswith(b"PK"):
        return "it is cut short or damaged; fetch it again"
    if start.startswith(b"\x80"):
        return "it is a pickle of other things; save its state dict by torch.save"
    return "it is neither of the .pth nor of the .safetensors format, cut short or damaged; fetch it again"


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(9)
    except OSError:
        return b""


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    size = path.stat().st_size
    for entry in entries:
        if not ENTRIES.fullmatch(entry.filename):
            raise ValueError(f"{path} holds {entry.filename!r}, which no file of tensors does; it is refused.")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"{path} is compressed, which no file of tensors is; it is refused.")
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError(f"{path} holds entries that share their bytes, which no file of tensors does; it is refused.")
    if len({entry.filename.partition("/")[0] for entry in entries}) != 1:
        raise ValueError(f"{path} holds several archives in one; it is refused.")
    if any(entry.filename.endswith("/data.pkl") and entry.file_size > MAX_PICKLE for entry in entries):
        raise ValueError(f"{path} has a pickle of over {MAX_PICKLE >> 20} MiB; it is refused.")


def _chosen(path: Path, content: object, key: str | None) -> Mapping[str, Tensor]:
    """The weights of a file: all of it, or the set of this key, or the only set of weights that it holds."""
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds other things than tensors by name; a state dict is needed.")
    if key is None and _is_weights(content):
        return content
    sets = {name: value for name, value in content.items() if isinstance(name, str) and _is_weights(value)}
    listed = ", ".join(sorted(sets)) or "none"
    if key is not None and key not in sets:
        raise ValueError(f"{path} holds no weights called {key!r}; there are: {listed}.")
    if not sets:
        raise ValueError(f"{path} holds other things than tensors by name; a state dict is needed.")
    if key is None and len(sets) > 1:
        raise ValueError(f"{path} holds several sets of weights: {listed}; say which with --key.")
    chosen: Mapping[str, Tensor] = sets[key] if key is not None else next(iter(sets.values()))
    return chosen


def _is_weights(content: object) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items())
    )


def _is_stored(tensor: Tensor) -> bool:
    """Whether a tensor's storage holds each number of its shape once."""
    end = (tensor.storage_offset() + tensor.numel()) * tensor.element_size()
    return tensor.layout == torch.strided and tensor.is_contiguous() and end <= tensor.untyped_storage().nbytes()
