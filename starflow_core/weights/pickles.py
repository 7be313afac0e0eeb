"""Pickles, looked through before they are unpickled."""

from __future__ import annotations

import pickletools
import re
from pathlib import Path
from typing import BinaryIO

from ..codecs.text_encoder import first_line

MAX_PICKLE = 64 * 2**20  # bytes; that of the 7B model has less than one of these MiB
MAX_DEPTH = 32  # nested marks
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


def check_pickle(path: Path, pickled: bytes | BinaryIO) -> None:
    """Inspect a pickle without running it.

    Args:
        path: of the file that it stands in, for errors.
        pickled: the pickle, or a file at its beginning, which is then read to its end.

    Raises:
        ValueError: it does more than name tensors and hold numbers and texts, or is damaged.
    """
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
