"""Pictures as browsers show them."""

from __future__ import annotations

import base64
import io

from PIL import Image, PngImagePlugin

SHOWN = 512  # pixels of the longer side, at least: browsers blur small pictures that they enlarge


def enlarged(picture: Image.Image) -> Image.Image:
    """A small picture as it is shown, enlarged by a whole factor with Lanczos' filter, which keeps edges sharp."""
    factor = -(-SHOWN // max(picture.size))
    if factor == 1:
        return picture
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.LANCZOS)


def shown_address(picture: Image.Image) -> str:
    """The enlarged picture as a data URI, small enough to be sent at every step of the drawing."""
    return _address(enlarged(picture), "WEBP", quality=88)


def preview_address(picture: Image.Image) -> str:
    """A picture as a data URI that is small in bytes."""
    return _address(picture, "WEBP", quality=80)


def png_address(picture: Image.Image, text: PngImagePlugin.PngInfo | None = None) -> str:
    """The picture itself as a data URI, with its text chunks."""
    return _address(picture, "PNG", pnginfo=text)


def _address(picture: Image.Image, format: str, **options: object) -> str:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return f"data:image/{format.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
