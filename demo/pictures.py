"""Pictures as data URIs for browsers."""

from __future__ import annotations

import base64
import io

from PIL import Image, PngImagePlugin

SHOWN = 512  # pixels, the least longer side: browsers blur small pictures when they enlarge them


def enlarged(picture: Image.Image) -> Image.Image:
    """Enlarge a small picture by a whole factor, with Lanczos' filter, which keeps edges sharp."""
    factor = -(-SHOWN // max(picture.size))
    if factor == 1:
        return picture
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.LANCZOS)


def shown_address(picture: Image.Image) -> str:
    """Return the enlarged picture as a data URI that is small enough to send at every step of the drawing."""
    return _address(enlarged(picture), "WEBP", quality=88)


def preview_address(picture: Image.Image) -> str:
    """Return a picture as a data URI of few bytes."""
    return _address(picture, "WEBP", quality=80)


def png_address(picture: Image.Image, text: PngImagePlugin.PngInfo | None = None) -> str:
    """Return the picture as a data URI of a PNG, without loss and with text chunks."""
    return _address(picture, "PNG", pnginfo=text)


def _address(picture: Image.Image, format: str, **options: object) -> str:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return f"data:image/{format.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
