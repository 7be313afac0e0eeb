"""Uploaded pictures: checked before they are read, and reduced while they are read."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TypeVar

from PIL import Image, UnidentifiedImageError

from starflow_core.images import as_rgb

T = TypeVar("T")

MAX_FILE = 20 * 2**20  # bytes
MAX_PIXELS = 50_000_000  # a camera's picture; a file of a few kilobytes can decompress to far more
MAX_PICTURES = 16
MAX_NORMAL = 48  # normal pictures, beside which others may be odd
MAX_TOGETHER = 4 * MAX_PIXELS  # in all pictures of a job
KEPT_PIXELS = 2**22  # a larger picture is reduced; no model uses as many
STRIP = 2**20  # pixels that are converted at once
MAX_SECONDS = 20.0  # for reading all pictures of a job
KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
# The modes in which pictures are reduced: Pillow cannot average palettes, bits and 16-bit grey values.
MEANS = {"1": "L", "P": "RGB", "PA": "RGBA", "I;16": "I", "I;16L": "I", "I;16B": "I", "I;16N": "I"}


class TooSlow(Exception):
    """The time limit for reading is exceeded."""


class Reading:
    """The time limit for reading the pictures of a job.

    Args:
        seconds: the limit.
        clock: returns the time, in seconds.
    """

    def __init__(self, seconds: float = MAX_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end = clock, clock() + seconds

    def check(self) -> None:
        """Raise TooSlow if the limit is exceeded."""
        if self._clock() > self._end:
            raise TooSlow


class _Timed:
    """A file that checks the time limit at each read: decoders read a few kilobytes at a time."""

    def __init__(self, file: IO[bytes], reading: Reading) -> None:
        self._file, self._reading = file, reading
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        self._reading.check()
        return self._file.read(size)


def opened(path: str | None) -> Image.Image:
    """Read an uploaded picture as RGB, reduced to at most `KEPT_PIXELS`.

    Raises:
        ValueError: there is no file, it is no picture, it is too large, or reading it takes too long.
    """
    if not path:
        raise ValueError("There is no picture yet; drop one into the field, or choose a file.")
    return all_opened([path])[0]


def all_opened(paths: Sequence[str], reading: Reading | None = None, *, most: int = MAX_PICTURES) -> list[Image.Image]:
    """Read the uploaded pictures of one job as RGB, each reduced to at most `KEPT_PIXELS`.

    Raises:
        ValueError: there are no files, too many files, or too many pixels in all; or one file is no picture, is too
            large, or takes too long to read.
    """
    if not paths:
        raise ValueError("There is no picture yet; drop one into the field, or choose a file.")
    if len(paths) > most:
        raise ValueError(f"These are {len(paths)} pictures; {most} at once is the most.")
    reading = reading or Reading()
    together = sum(_checked_pixels(path, reading) for path in paths)
    if together > MAX_TOGETHER:
        raise ValueError(
            f"These are {together / 1e6:.0f} megapixels together; {MAX_TOGETHER / 1e6:.0f} at once is the most. "
            "Take fewer pictures, or scale them down first."
        )
    return [_read(path, reading, _as_rgb) for path in paths]


def _checked_pixels(path: str, reading: Reading) -> int:
    """Return the number of pixels of a picture, from its header.

    Raises:
        ValueError: the file, or the picture, is too large.
    """
    if Path(path).stat().st_size > MAX_FILE:
        raise ValueError(f"This file is larger than {MAX_FILE // 2**20} MB; scale the picture down first.")
    width, height = _read(path, reading, lambda picture: picture.size)
    if width * height > MAX_PIXELS:
        raise ValueError(f"This picture is {width}×{height}; up to 50 megapixels can be read. Scale it down first.")
    return width * height


def _read(path: str, reading: Reading, use: Callable[[Image.Image], T]) -> T:
    try:
        with warnings.catch_warnings(), open(path, "rb") as file:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(_Timed(file, reading), formats=KINDS) as picture:  # type: ignore[arg-type]
                return use(picture)
    except TooSlow:
        told = f"This takes longer to read than {MAX_SECONDS:.0f} seconds; save the picture anew, as a PNG or JPEG."
        raise ValueError(told) from None
    except Image.DecompressionBombError:
        told = "too large a picture; scale it down first"
    except UnidentifiedImageError:
        told = "no picture that can be read"
    except (OSError, SyntaxError, EOFError) as error:  # what Pillow raises for damaged files
        raise ValueError(f"The file cannot be read as a picture: {error}.") from None
    raise ValueError(f"This file is {told}. {', '.join(KINDS)} of up to 50 megapixels can be read.") from None


def _as_rgb(picture: Image.Image) -> Image.Image:
    factor = _factor(picture)
    picture.draft(None, (picture.width // factor, picture.height // factor))  # a JPEG can be decoded at a reduced size
    picture.load()
    factor = _factor(picture)
    if factor == 1:
        return as_rgb(picture)
    if picture.mode in ("I", "F"):  # the values in the file, not their means, define white
        return as_rgb(picture).reduce(factor)
    return as_rgb(_reduced(picture, factor))


def _factor(picture: Image.Image) -> int:
    """Return the factor by which both sides are divided."""
    return math.ceil(math.sqrt(picture.width * picture.height / KEPT_PIXELS))


def _reduced(picture: Image.Image, factor: int) -> Image.Image:
    """Average over squares with sides of `factor` pixels, strip by strip: converting all at once takes much memory."""
    has_transparency = "transparency" in picture.info
    mode = "RGBA" if has_transparency else MEANS.get(picture.mode, picture.mode)
    small = Image.new(mode, (-(-picture.width // factor), -(-picture.height // factor)))
    rows = factor * max(1, STRIP // (picture.width * factor))
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        small.paste(strip.convert(mode).reduce(factor), (0, top // factor))
    if mode == "I":
        small = small.convert("I;16")
    if exif := picture.getexif():
        small.info["exif"] = exif.tobytes()  # it holds the orientation
    return small
