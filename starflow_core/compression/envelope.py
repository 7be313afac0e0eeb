"""What every `.sfl` file begins and ends with, whether its picture is kept exactly or not."""

from __future__ import annotations

import zlib
from enum import IntEnum

from .errors import CodecError

MAGIC, VERSION = b"SFL", 1
MODES = ("L", "LA", "RGB", "RGBA")
CRC = 4  # bytes
MOST_PIXELS = 2**27  # of a picture, in files from anywhere
ENDS_EARLY = "The file is damaged: it ends early."


class Kind(IntEnum):
    """What a file holds."""

    LOSSLESS = 0
    LOSSY = 1


def kind_of(data: bytes) -> Kind:
    """What a file holds, as `Reader` reads it.

    Raises:
        CodecError: the file is damaged or truncated, or no `.sfl` file.
    """
    return Reader(data).kind


def closed(kind: Kind, mode: str, size: tuple[int, int], content: bytes) -> bytes:
    """The bytes of a file around its content."""
    body = MAGIC + bytes([VERSION << 4 | kind << 2 | MODES.index(mode)])
    body += varint(size[0] - 1) + varint(size[1] - 1) + content
    return body + zlib.crc32(body).to_bytes(CRC, "little")


class Reader:
    """Reads the parts of a file in their order.

    Attributes:
        kind: what the file holds.
        mode: of its picture.
        size: width and height of its picture, in pixels.

    Raises:
        CodecError: the file is damaged or truncated, no `.sfl` file, of another version, or claims too large a size. So
            do all methods, where the file ends early.
    """

    def __init__(self, data: bytes) -> None:
        if not data.startswith(MAGIC):
            raise CodecError("This is no .sfl file.")
        if len(data) <= len(MAGIC):
            raise CodecError(ENDS_EARLY)
        version, form = divmod(data[len(MAGIC)], 16)
        if version != VERSION:
            raise CodecError(f"The file has version {version}; this release reads version {VERSION}.")
        self._data, self._place = data[:-CRC], len(MAGIC) + 1
        if zlib.crc32(self._data).to_bytes(CRC, "little") != data[-CRC:]:
            raise CodecError("The file is damaged or truncated; fetch it again.")
        if form >> 2 not in set(Kind):
            raise CodecError("The file is damaged: it says neither that it is lossless nor that it is lossy.")
        self.kind, self.mode = Kind(form >> 2), MODES[form & 3]
        self.size = (self.varint() + 1, self.varint() + 1)
        if self.size[0] * self.size[1] > MOST_PIXELS:
            raise CodecError(f"The file claims {self.size[0]}×{self.size[1]} pixels; at most {MOST_PIXELS:,} are read.")

    def take(self, count: int) -> bytes:
        """The next bytes."""
        part = self._data[self._place : self._place + count]
        if len(part) < count:
            raise CodecError(ENDS_EARLY)
        self._place += count
        return part

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.take(len(self._data) - self._place)

    def name(self) -> str:
        """A name of up to 255 letters, after their number."""
        return self.take(self.take(1)[0]).decode("ascii", "replace")

    def varint(self) -> int:
        """A number of seven bits a byte, low ones first, the highest bit set in all bytes but the last."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise CodecError("The file is damaged: a number is too long.")


def varint(value: int) -> bytes:
    """The bytes of a number, as `Reader.varint` reads them."""
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
