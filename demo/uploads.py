"""People's pictures, checked before they are read."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from starflow_core.images import as_rgb, open_image

MAX_FILE = 20 * 2**20  # bytes
MAX_PIXELS = 50_000_000  # a camera's picture; what a few kilobytes can unfold to is far more
MAX_PICTURES = 16
KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def opened(path: str | None) -> Image.Image:
    """An uploaded picture, as RGB.

    Raises:
        ValueError: there is none, it is no picture, or too large a one.
    """
    if not path:
        raise ValueError("There is no picture yet; drop one into the field, or choose a file.")
    if Path(path).stat().st_size > MAX_FILE:
        raise ValueError(f"This file is larger than {MAX_FILE // 2**20} MB; scale the picture down first.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=KINDS) as picture:  # only its header is read
                width, height = picture.size
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        too_large = isinstance(error, Image.DecompressionBombError)
        told = "too large a picture; scale it down first" if too_large else "no picture that can be read"
        raise ValueError(f"This file is {told}. {', '.join(KINDS)} of up to 50 megapixels can be read.") from None
    if width * height > MAX_PIXELS:
        raise ValueError(f"This picture is {width}×{height}; up to 50 megapixels can be read. Scale it down first.")
    try:
        return as_rgb(open_image(path))
    except ValueError as error:
        raise ValueError(str(error).replace(path, "The file")) from None  # nobody needs to know where it lies here
