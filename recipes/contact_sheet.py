"""Sheets of pictures that the embedded models draw, nothing picked: `python -m recipes.contact_sheet`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from starflow_core.weights.model_folder import DEFAULT_MODEL, load

from . import data
from .config import Config, arguments
from .pictures.captions import Shown, caption
from .prompts import COMPOSED, PEOPLES, SEEDED, SHOWN, STYLED, STYLES

FOLDER = Path("docs/contact_sheets")
CAPTIONS, COLOURS, HELD_OUT = 64, 32, 32
COLUMNS = 8
CELL, LABEL, MARGIN = 128, 16, 8


def contact_sheet(pictures: Sequence[Image.Image], labels: Sequence[str]) -> Image.Image:
    """Pictures in rows of eight, each above its label."""
    rows = -(-len(pictures) // COLUMNS)
    size = (COLUMNS * (CELL + MARGIN) + MARGIN, rows * (CELL + LABEL + MARGIN) + MARGIN)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=11)
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left = MARGIN + i % COLUMNS * (CELL + MARGIN)
        top = MARGIN + i // COLUMNS * (CELL + LABEL + MARGIN)
        sheet.paste(picture.resize((CELL, CELL), Image.Resampling.LANCZOS), (left, top))
        draw.text((left + CELL / 2, top + CELL + 2), _shortened(label), fill="#444444", font=font, anchor="ma")
    return sheet


def prompt_sheets(config: Config) -> dict[str, tuple[Sequence[str], int]]:
    """Return the prompts of each sheet, and the number of pictures per prompt."""
    pictures, rng = data.load(config), random.Random(0)
    pairs = sorted(f"{colour} {name}" for name, of in pictures.held_out.colours.items() for colour in of)
    rows = pictures.rows(data.some(pictures.trained, CAPTIONS))
    names = sorted({row.name for row in pictures.rows(pictures.unknown)})
    return {
        "prompts": (SHOWN, 1),
        "people": (PEOPLES, 1),
        "captions": ([caption(Shown(row), rng) for row in rows], 1),
        "colours": (rng.sample(pairs, min(COLOURS, len(pairs))), 1),
        "composed": (COMPOSED, 2),
        "styles": ([f"{name}, {style}" for name in STYLED for style in STYLES], 1),
        "seeds": (SEEDED, COLUMNS),
        "held_out": (rng.sample(names, min(HELD_OUT, len(names))), 1),
    }


def _shortened(prompt: str, letters: int = 24) -> str:
    return prompt if len(prompt) <= letters else prompt[: letters - 1].rstrip() + "…"


def main() -> None:
    given = arguments(__doc__, models=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in given.models or [DEFAULT_MODEL, "tarflow-mini"]:
        pipeline = load(given.config.models / name)
        classes = pipeline.classes
        sheets = {name: (classes.names, 1)} if classes else prompt_sheets(given.config)
        for sheet, (prompts, count) in sheets.items():
            pictures = pipeline.generate(prompts, count=count)
            labels = [prompt for prompt in prompts for _ in range(count)]
            contact_sheet(pictures, labels).save(FOLDER / f"{sheet}.png")
            print(FOLDER / f"{sheet}.png")


if __name__ == "__main__":
    main()
