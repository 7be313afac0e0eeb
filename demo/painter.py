"""A picture that visitors paint a mask on, and the mask that a browser sends."""

from __future__ import annotations

import base64
import binascii
import io
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from starflow_core.images import decode_image

SCRIPT = Path(__file__).parent / "web" / "painter.js"
BEGINS = "data:image/png;base64,"
LONGEST_TEXT = 300_000  # characters of a mask, far more than one of 512 pixels has
MOST_PIXELS = 1024 * 1024
NOTHING = "Nothing is painted yet; paint over what shall be drawn anew."


def painter() -> Any:
    """Return the component; its value is the address of a picture, and its event `painted` sends the mask."""
    return gr.HTML(
        "",
        label="Picture to paint on",
        html_template='<div class="painter"></div>',
        js_on_load=f'{SCRIPT.read_text(encoding="utf-8")}\n// ["painted"]',
        elem_id="painter",
    )


def mask_of(text: Any, size: tuple[int, int]) -> Image.Image:
    """Read a mask that was painted, and scale it to a picture's size.

    Raises:
        ValueError: nothing was painted, or it is no mask of the painter.
    """
    if not text:
        raise ValueError(NOTHING)
    wrong = f"The mask must be a PNG of at most {MOST_PIXELS:,} pixels as a data URI, as the page paints it."
    if not isinstance(text, str) or not text.startswith(BEGINS) or len(text) > LONGEST_TEXT:
        raise ValueError(wrong)
    try:
        encoded = base64.b64decode(text.removeprefix(BEGINS), validate=True)
        with Image.open(io.BytesIO(encoded), formats=["PNG"]) as header:
            is_large = header.width * header.height > MOST_PIXELS
    except (binascii.Error, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise ValueError(wrong) from None
    if is_large:
        raise ValueError(wrong)
    mask = decode_image(encoded, "The mask").convert("L")
    return mask.resize(size, Image.Resampling.BILINEAR)
