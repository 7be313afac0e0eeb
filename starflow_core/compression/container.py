"""The file format `.sfl`: what a file says of its picture, its model and its tiles.

docs/codec.md lists its parts in their order.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from enum import IntEnum

from PIL import Image

from .errors import CodecError

MAGIC, VERSION = b"SFL", 1
MODES = ("L", "LA", "RGB", "RGBA")
CHECKSUM, FINGERPRINT, CRC = 8, 4, 4  # bytes
MOST_PIXELS = 2**27  # of a picture, in files from anywhere
LARGEST_TILE = 1024


class Kind(IntEnum):
    """How a tile is stored."""

    FLOW = 0
    WEBP = 1
    COLOUR = 2


@dataclass(frozen=True)
class Tile:
    """The bytes of a tile."""

    kind: Kind
    data: bytes


@dataclass(frozen=True)
class Archive:
    """A compressed picture.

    Attributes:
        mode: of the picture: L, LA, RGB or RGBA.
        size: width and height in pixels.
        side: of the tiles, in pixels; the last of a row and of a column are smaller.
        model: the name of the codec's model.
        fingerprint: 4 bytes of the hash of its weights.
        checksum: 8 bytes of the hash of the picture.
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
    name = archive.model.encode("ascii")
    parts = [MAGIC, bytes([VERSION, MODES.index(archive.mode)])]
    parts += [_varint(number) for number in (*archive.size, archive.side)]
    parts += [bytes([len(name)]), name, archive.fingerprint, archive.checksum]
    for tile in archive.tiles:
        parts += [_varint(len(tile.data) << 2 | tile.kind), tile.data]
    body = b"".join(parts)
    return body + zlib.crc32(body).to_bytes(CRC, "little")


def from_bytes(data: bytes) -> Archive:
    """Read an archive.

    Raises:
        CodecError: the file is no archive, is damaged or truncated, is of a newer version or claims too large a size.
    """
    if not data.startswith(MAGIC):
        raise CodecError("This is no .sfl file.")
    if len(data) > len(MAGIC) and data[len(MAGIC)] != VERSION:
        raise CodecError(f"The file has version {data[len(MAGIC)]}; this release reads version {VERSION}.")
    body, crc = data[:-CRC], data[-CRC:]
    if zlib.crc32(body).to_bytes(CRC, "little") != crc:
        raise CodecError("The file is damaged or truncated; fetch it again.")
    reader = _Reader(body, len(MAGIC) + 1)
    return reader.archive()


class _Reader:
    """Reads the parts of a file in their order."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place

    def archive(self) -> Archive:
        number = self._bytes(1)[0]
        width, height, side = self._varint(), self._varint(), self._varint()
        if number >= len(MODES) or not width or not height or not 1 <= side <= LARGEST_TILE:
            raise CodecError("The file is damaged: it has no valid mode or size.")
        if width * height > MOST_PIXELS:
            raise CodecError(f"The file claims {width}×{height} pixels; at most {MOST_PIXELS:,} are read.")
        name = self._bytes(self._bytes(1)[0]).decode("ascii", "replace")
        fingerprint, summed = self._bytes(FINGERPRINT), self._bytes(CHECKSUM)
        mode = MODES[number]
        count = -(-width // side) * -(-height // side) * (2 if mode.endswith("A") else 1)
        if count > len(self._data):  # each takes a byte at least
            raise CodecError("The file is damaged: it is shorter than its picture needs.")
        tiles = tuple(self._tile() for _ in range(count))
        if self._place != len(self._data):
            raise CodecError("The file is damaged: it goes on after its last tile.")
        return Archive(mode, (width, height), side, name, fingerprint, summed, tiles)

    def _tile(self) -> Tile:
        number = self._varint()
        try:
            return Tile(Kind(number & 3), self._bytes(number >> 2))
        except ValueError as error:
            raise CodecError(f"The file is damaged: {error}.") from None

    def _bytes(self, count: int) -> bytes:
        part = self._data[self._place : self._place + count]
        if len(part) < count:
            raise CodecError("The file is damaged: it ends early.")
        self._place += count
        return part

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self._bytes(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise CodecError("The file is damaged: a number is too long.")


def _varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
