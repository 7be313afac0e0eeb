"""Published files, read as tensors only: a `.pth` file is inspected before anything is unpickled."""

from __future__ import annotations

import pickle
import pickletools
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..codecs.text_encoder import first_line
from ..flow.state_dict import published_state_dict
from .tensors import read_safetensors

MAX_PICKLE = 64 * 2**20  # bytes; that of the 7B model has less than one of these MiB
MAX_DEPTH = 32  # nested marks
ENTRIES = re.compile(
    r"[^/\\]+/(data\.pkl|data/\d+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id)"
)
# The globals of a state dict. Any other could run code, or is not a tensor.
GLOBALS = re.compile(
    r"collections OrderedDict"
    r"|torch\._utils (_rebuild_tensor_v2|_rebuild_parameter)"
    r"|torch (Float|Half|BFloat16|Double|Bool|Byte|Char|Short|Int|Long)Storage"
)
OPCODES = frozenset(
    (
        *("PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "NONE", "NEWTRUE", "NEWFALSE"),
        *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINUNICODE", "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND", "APPENDS"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    )
)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a published `.pth` or `.safetensors` file, mapped into memory and not copied.

    Its first bytes decide between the two formats.

    Raises:
        ValueError: there is no such file, it is damaged, or it holds anything but tensors by name.
    """
    if _is_safetensors(path):
        return published_state_dict(read_safetensors(path))
    check_archive(path)
    if path.suffix == ".safetensors":  # which torch goes by
        raise ValueError(f"{path} is called .safetensors and is a .pth file; rename it.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as a file of tensors: {first_line(error)}") from error
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path} holds other things than tensors by name; a state dict is needed.")
    tensors = published_state_dict(content)
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
            _check_pickle(path, archive.read(data))
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
        return "it is of an old format, from before torch 1.6; save it anew by torch.save"
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


def _check_pickle(path: Path, pickled: bytes) -> None:
    depth = 0
    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name not in OPCODES:
                raise ValueError(
                    f"{path} has a pickle that does more than name tensors ({opcode.name}); it is refused."
                )
            if opcode.name == "GLOBAL" and not GLOBALS.fullmatch(str(argument)):
                name = str(argument).replace(" ", ".")
                raise ValueError(f"{path} has a pickle that would run {name}; it is refused, and nothing was run.")
            depth += (opcode.name == "MARK") - (opcode.name in ("TUPLE", "SETITEMS", "APPENDS"))
            if depth > MAX_DEPTH:
                raise ValueError(f"{path} has a pickle of things within things without end; it is refused.")
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path} has a damaged pickle ({first_line(error)}); fetch it again.") from error


def _is_stored(tensor: Tensor) -> bool:
    """Whether a tensor's storage holds each number of its shape once."""
    end = (tensor.storage_offset() + tensor.numel()) * tensor.element_size()
    return tensor.layout == torch.strided and tensor.is_contiguous() and end <= tensor.untyped_storage().nbytes()
