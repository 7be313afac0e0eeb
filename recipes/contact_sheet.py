"""Sheets of pictures that the embedded models draw, nothing picked: `python -m recipes.contact_sheet`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from starflow_core.weights.model_folder import DEFAULT_MODEL, load

from . import data
from .captions import caption
from .config import Config, arguments
from .held_out import HeldOut
from .subjects import Subject

FOLDER = Path("docs/contact_sheets")
PROMPTS = (
    *("red heart", "smiling face", "dog face", "pizza", "cat face", "rocket", "sunflower", "red apple"),
    *("blue heart", "crying face", "panda", "hamburger", "fish", "sailboat", "cactus", "strawberry"),
    *("grinning face with sunglasses", "ghost", "frog", "birthday cake", "owl", "taxi", "rainbow", "watermelon"),
    *("green heart", "angry face", "lion", "ice cream", "snail", "house", "full moon", "football"),
)
SEEDED = ("red heart", "dog face", "smiling face", "pizza", "blue cat", "green frog", "sunflower", "rocket")
CAPTIONS, COMPOSITIONS, HELD_OUT = 64, 32, 32
COLUMNS = 8
CELL, LABEL, MARGIN = 96, 16, 8


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
    """Prompts of each sheet, and how many pictures of each prompt."""
    left_out = HeldOut.load(config.held_out)
    training, held_out = data.load(config).of_styles(config.flow["styles"]).split(left_out)
    rng = random.Random(0)
    pairs = [f"{colour} {name}" for name, colours in left_out.pairs.items() for colour in colours]
    names = sorted(subject.name for subject in held_out.subjects)
    return {
        "prompts": (PROMPTS, 1),
        "captions": (
            [_sayable(s, rng) for s in rng.sample(training.subjects, min(CAPTIONS, len(training.subjects)))],
            1,
        ),
        "colours": (rng.sample(pairs, min(COMPOSITIONS, len(pairs))), 1),
        "seeds": (SEEDED, COLUMNS),
        "held_out": (rng.sample(names, min(HELD_OUT, len(names))), 1),
    }


def _sayable(subject: Subject, rng: random.Random) -> str:
    """A random caption in letters, which is what the sheet's font has."""
    while True:
        words = caption(subject, rng)
        if words.isascii():
            return words


def _shortened(prompt: str, letters: int = 17) -> str:
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
