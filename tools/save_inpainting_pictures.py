"""The pictures of holes that were filled, for the guide: `python tools/save_inpainting_pictures.py [--config FILE]`.

Nothing is picked. The drawn pictures are those of eight of the 32 prompts of the contact sheet, drawn with seed 0: of
the prompts with the smallest SHA-256 hashes. The held-out pictures are the first eight of the benchmark. A hole is
that of the benchmark, or the right quarter. Each is filled four times, with the seeds 0 to 3; the likeliest is shown.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.editing.holes import Holed, hole_at, holed, right_quarter  # noqa: E402
from recipes import data  # noqa: E402
from recipes.config import DEFAULT, load_config  # noqa: E402
from recipes.prompts import SHOWN  # noqa: E402
from recipes.reference import seen_and_unseen  # noqa: E402
from starflow_core import Pipeline, load  # noqa: E402

FOLDER = ROOT / "docs" / "editing"
MODEL = "starflow-mini"
PICTURES, COUNT = 8, 4
CELL, MARGIN, LINE = 112, 8, 18
LETTERS = 20  # of a name, below its picture
QUIET = "#777777"
FONT = ImageFont.load_default(size=12)
MASKED = (13, 148, 136)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the pictures of holes that were filled.")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="of the training, for its pictures")
    config = load_config(parser.parse_args().config)
    FOLDER.mkdir(parents=True, exist_ok=True)
    pipeline = load(MODEL, device="cpu", dtype=torch.float32)
    pictures = data.load(config, pipeline.trained_side)
    places = np.random.default_rng(0).permutation(seen_and_unseen(pipeline, pictures)[1])[:PICTURES]
    _save(pipeline, list(drawn(pipeline)), "inpainted_drawn")
    _save(pipeline, list(drawn(pipeline, is_cut=True)), "outpainted_drawn")
    _save(pipeline, list(holed(pipeline, pictures, places)), "inpainted_held_out")


def drawn(pipeline: Pipeline, *, is_cut: bool = False) -> Iterator[Holed]:
    """Pictures that the model draws; their holes depend on the prompts alone, or are the right quarter."""
    for prompt in sorted(SHOWN, key=lambda prompt: hashlib.sha256(prompt.encode()).hexdigest())[:PICTURES]:
        mask = right_quarter(pipeline) if is_cut else hole_at(pipeline, prompt)
        yield Holed(pipeline.generate(prompt, seed=0)[0], mask, prompt)


def _save(pipeline: Pipeline, pictures: Sequence[Holed], name: str) -> None:
    rows = []
    for one in pictures:
        fill = pipeline.inpaint(one.given, one.mask, one.name, seed=0, count=COUNT)[0].image
        hole = Image.composite(Image.new("RGB", one.picture.size, MASKED), one.picture, one.mask)
        rows.append((one.name, [one.picture, hole, fill]))
    path = FOLDER / f"{name}.jpg"
    _page(rows).save(path, quality=90)
    print(path)


def _page(rows: Sequence[tuple[str, Sequence[Image.Image]]]) -> Image.Image:
    """Before, mask and after, a picture a column, with its name below."""
    height = 3 * (CELL + MARGIN) + LINE + MARGIN
    whole = Image.new("RGB", (len(rows) * (CELL + MARGIN) + MARGIN, height), "white")
    draw = ImageDraw.Draw(whole)
    for column, (name, shown) in enumerate(rows):
        x = MARGIN + column * (CELL + MARGIN)
        for row, picture in enumerate(shown):
            large = picture.convert("RGB").resize((CELL, CELL), Image.Resampling.LANCZOS)
            whole.paste(large, (x, MARGIN + row * (CELL + MARGIN)))
        draw.text((x + CELL / 2, 3 * (CELL + MARGIN) + MARGIN), _shortened(name), fill=QUIET, font=FONT, anchor="ma")
    return whole


def _shortened(name: str) -> str:
    return name if len(name) <= LETTERS else name[: LETTERS - 1].rstrip() + "…"


if __name__ == "__main__":
    main()
