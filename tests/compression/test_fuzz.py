"""Damaged files: each is refused in a sentence, and none gives a wrong picture.

`SFL_FUZZ` sets how many files are tried; without it, as many as a minute takes.
"""

from __future__ import annotations

import os
import random
import zlib

import pytest
from PIL import Image
from sfl_pictures import drawn, noisy

from starflow_core.compression import Codec, CodecError
from starflow_core.compression.envelope import CRC

FILES = int(os.environ.get("SFL_FUZZ", "2000"))
SIDE = 12  # pixels: most files whose sum is mended are decoded to the end
codec = Codec()


def changed(data: bytes, rng: random.Random) -> bytes:
    """Damage a file: bits, bytes, pieces left out, repeated or of another file."""
    mutable = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        place = rng.randrange(len(mutable))
        match rng.randrange(6):
            case 0:
                mutable[place] ^= 1 << rng.randrange(8)
            case 1:
                mutable[place] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
            case 2:
                del mutable[place : place + rng.choice([1, 2, 8])]
            case 3:
                mutable[place:place] = rng.randbytes(rng.choice([1, 2, 8]))
            case 4:
                mutable[place:place] = mutable[place : place + rng.randrange(1, 16)]
            case 5:
                del mutable[place:]
        if not mutable:
            mutable = bytearray(b"S")
    return bytes(mutable)


def mended(data: bytes) -> bytes:
    """A file with the sum that its bytes have."""
    body = data[:-CRC]
    return body + zlib.crc32(body).to_bytes(CRC, "little")


def originals() -> list[tuple[Image.Image, bytes]]:
    alpha = drawn(SIDE, SIDE)
    alpha.putalpha(90)
    pictures = [drawn(SIDE, SIDE), noisy(SIDE, SIDE), alpha, drawn(SIDE, SIDE).convert("L"), Image.new("L", (3, 2))]
    return [(picture, codec.compress(picture)) for picture in pictures]


def test_damaged_files_never_give_a_wrong_picture() -> None:
    rng = random.Random(0)
    files = originals()
    refused: list[str] = []
    for i in range(FILES):
        picture, data = files[i % len(files)]
        damaged = changed(data, rng)
        if rng.random() < 0.7:  # otherwise hardly any would come past the sum
            damaged = mended(damaged)
        if damaged == data:
            continue
        try:
            back = codec.decompress(damaged)
        except CodecError as error:
            refused.append(str(error))
        else:
            assert (back.mode, back.size, back.tobytes()) == (picture.mode, picture.size, picture.tobytes())
    assert len(refused) > 0.9 * FILES
    assert all(message.endswith(".") and "\n" not in message for message in refused)


def test_truncated_files_are_refused() -> None:
    for _, data in originals():
        for length in range(len(data)):
            with pytest.raises(CodecError):
                codec.decompress(data[:length])


def test_size_that_no_file_can_have_is_refused_at_once() -> None:
    body = b"SFL\x12" + b"\xff\xff\xff\x7f" * 2 + b"\x18" + b"\x00" * 40
    with pytest.raises(CodecError, match="claims"):
        codec.decompress(mended(body + bytes(CRC)))
