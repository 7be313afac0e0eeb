"""Pictures of many prompts or of all classes on one sheet: `python -m training.contact_sheet [FILE [MODEL]]`."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from starflow_core.model_folder import load
from starflow_core.pipeline import Pipeline

PROMPTS = (
    *("red heart", "smiling face", "dog face", "pizza", "cat face", "rocket", "sunflower", "red apple"),
    *("blue heart", "crying face", "panda", "hamburger", "fish", "sailboat", "cactus", "strawberry"),
    *("grinning face with sunglasses", "ghost", "frog", "birthday cake", "owl", "taxi", "rainbow", "watermelon"),
    *("green heart", "angry face", "lion", "ice cream", "snail", "house", "full moon", "football"),
)
COLUMNS = 8
CELL, LABEL, MARGIN = 96, 16, 8


def contact_sheet(pipeline: Pipeline, prompts: tuple[str, ...], seed: int = 0) -> Image.Image:
    """One picture a prompt, all of the same seed, at default settings, each above its prompt."""
    pictures = pipeline.generate(prompts, seed=seed)
    rows = -(-len(prompts) // COLUMNS)
    size = (COLUMNS * (CELL + MARGIN) + MARGIN, rows * (CELL + LABEL + MARGIN) + MARGIN)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=11)
    for i, (prompt, picture) in enumerate(zip(prompts, pictures, strict=True)):
        left = MARGIN + i % COLUMNS * (CELL + MARGIN)
        top = MARGIN + i // COLUMNS * (CELL + LABEL + MARGIN)
        sheet.paste(picture.resize((CELL, CELL), Image.Resampling.LANCZOS), (left, top))
        draw.text((left + CELL / 2, top + CELL + 2), _shortened(prompt), fill="#444444", font=font, anchor="ma")
    return sheet


def _shortened(prompt: str, letters: int = 17) -> str:
    return prompt if len(prompt) <= letters else prompt[: letters - 1].rstrip() + "…"


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/contact_sheet.png")
    drawer = load(*sys.argv[2:])
    contact_sheet(drawer, drawer.classes.names if drawer.classes else PROMPTS).save(target)
    print(target)
