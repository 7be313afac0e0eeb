"""A template's thumbnail: a few pictures with words below them, and what the template does above."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

WIDTH, EDGE, GAP = 640, 24, 16  # pixels
TITLE, CAPTION = 34, 22  # of letters
BACKGROUND, TITLE_COLOUR, CAPTION_COLOUR = "#1d1a2b", "#ffffff", "#c9c2e8"


def thumbnail(title: str, frames: Sequence[tuple[Image.Image, str]]) -> Image.Image:
    """The pictures side by side; a single one is as large as two."""
    side = (WIDTH - 2 * EDGE - GAP * (max(2, len(frames)) - 1)) // max(2, len(frames))
    made = Image.new("RGB", (WIDTH, EDGE + TITLE + GAP + side + GAP + CAPTION + EDGE), BACKGROUND)
    draw = ImageDraw.Draw(made)
    draw.text((WIDTH / 2, EDGE + TITLE / 2), title, TITLE_COLOUR, ImageFont.load_default(TITLE), anchor="mm")
    left, top = (WIDTH - len(frames) * side - (len(frames) - 1) * GAP) // 2, EDGE + TITLE + GAP
    for picture, caption in frames:
        made.paste(picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS), (left, top))
        at = (left + side / 2, top + side + GAP + CAPTION / 2)
        draw.text(at, caption, CAPTION_COLOUR, ImageFont.load_default(CAPTION if len(frames) < 4 else 18), anchor="mm")
        left += side + GAP
    return made
