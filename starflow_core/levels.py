"""Black and white levels of a picture, by the type of its numbers and the metadata of its file.

| numbers | black … white |
| --- | --- |
| 8 bits | 0 … 255 |
| 16 bits without a sign | 0 … 65535 |
| TIFF of 9 to 15 bits (BitsPerSample) | 0 … 2ⁿ − 1 |
| 32 bits without a sign | 0 … 2³² − 1 |
| TIFF with SMaxSampleValue | SMinSampleValue, or 0, … SMaxSampleValue |
| TIFF with a MaxSampleValue of the form 2ⁿ − 1 | 0 … MaxSampleValue |
| floating-point | 0 … 1 |
| true and false | false … true |

Anything else is an error, and so are NaN, infinity, and floating-point numbers beyond 0 … 1 by more than one 8-bit grey
level. The levels are never guessed from the numbers: a dark frame stays dark. Values of MaxSampleValue other than
2ⁿ − 1 are, in TIFF 6.0's words, a statistic "not to be used to affect the visual appearance".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from PIL import Image

DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")  # Pillow's modes of more than 8 bits, all grey
SCALED_BY_PILLOW = ("PNG", "PPM")  # formats whose numbers of mode "I" have 16 bits
BITS_PER_SAMPLE, PHOTOMETRIC, MAX_SAMPLE, SAMPLE_FORMAT, S_MIN_SAMPLE, S_MAX_SAMPLE = 258, 262, 281, 339, 340, 341
UNSIGNED, WHITE_IS_ZERO = 1, 0
SLACK = 1 / 255  # of white: what rounding and resampling leave beyond 0 … 1


class Levels(NamedTuple):
    """The numbers of black and of white."""

    black: float
    white: float


def as_8_bit(image: Image.Image) -> Image.Image:
    """A picture of more than 8 bits reduced to 8; other pictures unchanged.

    Raises:
        ValueError: the white level is unknown, or a number is NaN, infinite or too large.
    """
    if image.mode not in DEEP:
        return image
    levels, pixels = _levels_of(image), np.asarray(image)
    if max(levels) > np.iinfo(np.int32).max:
        pixels = pixels.view(np.uint32)  # which Pillow holds as numbers with a sign
    scaled = Image.fromarray(to_8_bit(pixels, levels))
    scaled.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return scaled


def levels_of_dtype(dtype: np.dtype[Any]) -> Levels:
    """The levels of an array of some type.

    Raises:
        ValueError: this type has no defined levels.
    """
    if dtype == np.bool_:
        return Levels(0, 1)
    if dtype.kind == "u":
        return Levels(0, float(np.iinfo(dtype).max))
    if dtype.kind == "f":
        return Levels(0, 1)
    raise ValueError(
        f"The picture's numbers are {dtype}, and nothing says which of them is white. Give it as uint8 (0 to 255), as "
        "uint16 (0 to 65535), or as floating-point numbers from 0 to 1."
    )


def to_8_bit(pixels: np.ndarray, levels: Levels) -> np.ndarray:
    """Numbers of any shape as uint8, from black at 0 to white at 255; white may be the smaller one.

    Raises:
        ValueError: a number is NaN or infinite, or a floating-point one lies beyond black and white.
    """
    if pixels.dtype == np.uint8 and levels == Levels(0, 255):
        return pixels
    shares = (pixels.astype(np.float64) - levels.black) / (levels.white - levels.black)
    if not np.isfinite(shares).all():
        raise ValueError("The picture holds NaN or infinite numbers; replace them first, with numpy.nan_to_num.")
    if pixels.dtype.kind == "f" and shares.size and (shares.min() < -SLACK or shares.max() > 1 + SLACK):
        raise ValueError(
            f"The picture's numbers go from {pixels.min():g} to {pixels.max():g}; floating-point ones must lie between "
            f"{levels.black:g} (black) and {levels.white:g} (white). Divide them by what is white, such as 255."
        )
    return (shares.clip(0, 1) * 255).round().astype(np.uint8)


def _levels_of(image: Image.Image) -> Levels:
    """The levels of a picture in one of the deep modes."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        levels = _levels_in_tiff(tags)
        is_negative = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO  # which Pillow turns round at 8 bits only
        return Levels(levels.white, levels.black) if is_negative else levels
    if image.mode == "I" and image.format not in SCALED_BY_PILLOW:
        return levels_of_dtype(np.dtype(np.int32))
    return levels_of_dtype(np.dtype(np.float32 if image.mode == "F" else np.uint16))


def _levels_in_tiff(tags: Any) -> Levels:
    bits, sample_format = _number(tags, BITS_PER_SAMPLE, 1), _number(tags, SAMPLE_FORMAT, UNSIGNED)
    highest, largest = _number(tags, S_MAX_SAMPLE), _number(tags, MAX_SAMPLE)
    if highest is not None:
        lowest = _number(tags, S_MIN_SAMPLE, 0)
        if not lowest < highest:
            raise ValueError(f"The picture's file says that its numbers go from {lowest:g} to {highest:g}; mend that.")
        return Levels(lowest, highest)
    if sample_format == UNSIGNED and bits > 8:
        is_depth = largest is not None and 255 < largest < 2**bits and (int(largest) & (int(largest) + 1)) == 0
        return Levels(0, largest if is_depth else 2.0**bits - 1)
    return levels_of_dtype(np.dtype(np.float32 if sample_format == 3 else np.int32))


def _number(tags: Any, tag: int, default: float | None = None) -> Any:
    """The first value of a tag."""
    value = tags.get(tag, default)
    return value[0] if isinstance(value, tuple) else value
