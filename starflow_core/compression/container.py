"""The file format `.sfl`: what a file says of its picture, its model and its tiles.

docs/codec.md lists its parts in their order.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum

from PIL import Image

from .envelope import Kind, Reader, closed, varint
from .errors import CodecError

NAMES = ("codec-mini",)  # of models that a file names by a number, from 1; 0 goes before other names
CHECKSUM, FINGERPRINT = 4, 4  # bytes
LARGEST_EXPONENT = 10  # of a tile's side, a power of two


class Storage(IntEnum):
    """How a tile is stored."""

    FLOW = 0
    WEBP = 1
    COLOUR = 2


@dataclass(frozen=True)
class Tile:
    """The bytes of a tile."""

    storage: Storage
    data: bytes


@dataclass(frozen=True)
class Archive:
    """A picture compressed without loss.

    Attributes:
        mode: of the picture: L, LA, RGB or RGBA.
        size: width and height in pixels.
        side: of the tiles, in pixels, a power of two; the last of a row and of a column are smaller.
        model: the name of the codec's model.
        fingerprint: 4 bytes of the hash of its weights.
        checksum: 4 bytes of the hash of the picture.
        tiles: row by row, of the colours, then of alpha.
    """

    mode: str
    size: tuple[int, int]
    side: int
    model: str
    fingerprint: bytes
    checksum: bytes
    tiles: tuple[Tile, ...]


def checksum(picture: Image.Image) -> bytes:
    """Return the checksum of a picture."""
    head = f"{picture.mode} {picture.width} {picture.height} ".encode()
    return hashlib.blake2b(head + picture.tobytes(), digest_size=CHECKSUM).digest()


def grid(size: tuple[int, int], side: int) -> list[tuple[int, int, int, int]]:
    """Return the boxes of a picture's tiles, row by row: left, top, right, bottom."""
    width, height = size
    return [
        (left, top, min(left + side, width), min(top + side, height))
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


def to_bytes(archive: Archive) -> bytes:
    """Write an archive."""
    number = NAMES.index(archive.model) + 1 if archive.model in NAMES else 0
    parts = [bytes([number << 4 | archive.side.bit_length() - 1])]
    if not number:
        name = archive.model.encode("ascii")
        parts += [bytes([len(name)]), name]
    parts += [archive.fingerprint, archive.checksum]
    for tile in archive.tiles[:-1]:
        parts += [varint(len(tile.data) << 2 | tile.storage), tile.data]
    last = archive.tiles[-1]
    parts += [bytes([last.storage]), last.data]
    return closed(Kind.LOSSLESS, archive.mode, archive.size, b"".join(parts))


def from_bytes(data: bytes) -> Archive:
    """Read an archive.

    Raises:
        CodecError: the file is no archive of a picture without loss, is damaged or truncated, is of a newer version or
            claims too large a size.
    """
    reader = Reader(data)
    if reader.kind != Kind.LOSSLESS:
        raise CodecError("The picture was compressed with loss; decompress it with the model that the file names.")
    number, exponent = divmod(reader.take(1)[0], 16)
    if number > len(NAMES) or exponent > LARGEST_EXPONENT:
        raise CodecError("The file is damaged: it has no valid model or tiles.")
    name = NAMES[number - 1] if number else reader.name()
    fingerprint, summed = reader.take(FINGERPRINT), reader.take(CHECKSUM)
    side = 2**exponent
    width, height = reader.size
    count = -(-width // side) * -(-height // side) * (2 if reader.mode.endswith("A") else 1)
    if count > len(data):  # each takes a byte at least
        raise CodecError("The file is damaged: it is shorter than its picture needs.")
    tiles = [_tile(reader, is_last=False) for _ in range(count - 1)]
    tiles.append(_tile(reader, is_last=True))
    return Archive(reader.mode, reader.size, side, name, fingerprint, summed, tuple(tiles))


def _tile(reader: Reader, is_last: bool) -> Tile:
    """The last tile has no length: it goes to the end."""
    number = reader.take(1)[0] if is_last else reader.varint()
    try:
        storage = Storage(number if is_last else number & 3)
    except ValueError as error:
        raise CodecError(f"The file is damaged: {error}.") from None
    return Tile(storage, reader.rest() if is_last else reader.take(number >> 2))
