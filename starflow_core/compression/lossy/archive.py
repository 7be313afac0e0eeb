"""What an `.sfl` file holds of a picture that was compressed with loss.

docs/codec.md lists its parts in their order.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ..envelope import Kind, Reader, closed, varint
from ..errors import CodecError

NAMES = ("starflow-mini-128",)  # of models that a file names by a number, from 1; 0 goes before other names
CHECKSUM, FINGERPRINT = 4, 4  # bytes
EIGHTHS = 8  # sizes of the step an octave
MIDDLE = 64  # the number of a step of 1
STEPS_END = 128


@dataclass(frozen=True)
class Archive:
    """A compressed picture.

    Attributes:
        mode: of the picture: L, LA, RGB or RGBA.
        size: width and height in pixels.
        model: the name of the flow.
        fingerprint: 4 bytes of the hash of its weights.
        step: the number of the quantiser's step, as `step_size` takes it.
        checksum: 4 bytes of the hash of all indices.
        alpha: a file of the lossless codec; empty where the picture has no alpha.
        data: of the range coder.
    """

    mode: str
    size: tuple[int, int]
    model: str
    fingerprint: bytes
    step: int
    checksum: bytes
    alpha: bytes
    data: bytes


def step_size(number: int) -> float:
    """The quantiser's step of a number in 0…127: eight an octave, 1 in the middle."""
    return float(2.0 ** ((number - MIDDLE) / EIGHTHS))


def checksum(indices: np.ndarray) -> bytes:
    """Return the checksum of all indices, in raster order."""
    return hashlib.blake2b(indices.astype("<i4").tobytes(), digest_size=CHECKSUM).digest()


def to_bytes(archive: Archive) -> bytes:
    """Write an archive."""
    number = NAMES.index(archive.model) + 1 if archive.model in NAMES else 0
    parts = [bytes([number])]
    if not number:
        name = archive.model.encode()
        parts += [bytes([len(name)]), name]
    parts += [archive.fingerprint, bytes([archive.step]), archive.checksum]
    if archive.mode.endswith("A"):
        parts += [varint(len(archive.alpha)), archive.alpha]
    return closed(Kind.LOSSY, archive.mode, archive.size, b"".join([*parts, archive.data]))


def from_bytes(data: bytes) -> Archive:
    """Read an archive.

    Raises:
        CodecError: the file is no archive of a picture with loss, is damaged or truncated, is of a newer version or
            claims too large a size.
    """
    reader = Reader(data)
    if reader.kind != Kind.LOSSY:
        raise CodecError("The picture was compressed without loss; decompress it with starflow_core.Codec.")
    number = reader.take(1)[0]
    if number > len(NAMES):
        raise CodecError("The file is damaged: it names no model.")
    name = NAMES[number - 1] if number else reader.name()
    fingerprint, step, summed = reader.take(FINGERPRINT), reader.take(1)[0], reader.take(CHECKSUM)
    if step >= STEPS_END:
        raise CodecError("The file is damaged: it has no valid step.")
    alpha = reader.take(reader.varint()) if reader.mode.endswith("A") else b""
    return Archive(reader.mode, reader.size, name, fingerprint, step, summed, alpha, reader.rest())
