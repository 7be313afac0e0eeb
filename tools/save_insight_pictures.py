"""The three pictures of what likelihoods say, for README and the guide: `python tools/save_insight_pictures.py`.

Nothing is picked: seeds count from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from starflow_core import Anomaly, Pipeline, load
from starflow_core.insight.confidence import Confidence
from starflow_core.insight.heatmap import heatmap
from starflow_core.insight.oddity import Oddity

FOLDER = Path(__file__).parent.parent / "docs" / "insight"
SUBJECT = "green frog"
PROMPTS = ("green frog", "frog", "green leaf", "cat", "red heart")
OWN = "snail"  # the kind that normal pictures are of
NORMAL, SHOWN = 60, 4
ODDEST = 6.0  # standard deviations of the last colour
OPACITY = 0.75  # of a map over its picture
CELL, MARGIN, LINE = 128, 10, 18
INK, QUIET, BAR = "#222222", "#777777", "#3b6fb6"
FONT = ImageFont.load_default(size=13)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    drawing, measuring = load("starflow-mini", device="cpu"), load("starflow-mini-128", device="cpu")
    for name, picture in {
        "match": matched(drawing),
        "odd": odd(drawing, measuring),
        "sure": sure(drawing, measuring),
    }.items():
        picture.save(FOLDER / f"{name}.png", optimize=True)
        print(FOLDER / f"{name}.png")


def matched(pipeline: Pipeline) -> Image.Image:
    """A drawn picture, and by how many nats each of some prompts explains it."""
    picture = pipeline.generate(SUBJECT, seed=0)[0]
    found = pipeline.match(picture, PROMPTS)
    whole, draw = _page(4, 1)
    whole.paste(_cell(picture), (MARGIN, MARGIN))
    left, most = 2 * MARGIN + CELL, max(abs(float(score)) for score in found.scores)
    zero, width = left + 150, 150
    for i, (prompt, score) in enumerate(zip(PROMPTS, found.scores.tolist(), strict=True)):
        y = MARGIN + 8 + i * 24
        end = zero + int(width * score / most)
        draw.rectangle((min(zero, end), y, max(zero, end), y + 12), fill=BAR if score > 0 else QUIET)
        draw.text((left, y + 6), prompt, fill=INK, font=FONT, anchor="lm")
        draw.text((zero + width + 6, y + 6), f"{score:+.0f} nats", fill=INK, font=FONT, anchor="lm")
    return whole


def odd(drawing: Pipeline, measuring: Pipeline) -> Image.Image:
    """New pictures of a kind, and some with a patch: how odd each is to a scorer of normal ones, and where."""
    normal = drawing.generate(OWN, count=NORMAL + SHOWN, seed=0)
    scorer = Anomaly.fit(measuring, normal[:NORMAL])
    new = normal[NORMAL:]
    shown = [*new[: SHOWN // 2], *map(_patched, new[SHOWN // 2 :])]
    found = [scorer.score(picture) for picture in shown]
    maps = [_over(*pair, (0.0, ODDEST)) for pair in zip(shown, found, strict=True)]
    return _rows([shown, maps], [[f"p = {one.p_value:.2g}" for one in found], ["where"] * SHOWN])


def sure(drawing: Pipeline, measuring: Pipeline) -> Image.Image:
    """Pictures, and how sure the model is of each place: bright where it knows what comes."""
    pictures = [drawing.generate(prompt, seed=0)[0] for prompt in ("owl", "red heart", "pizza")]
    pictures.append(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)))
    found = [measuring.confidence(picture) for picture in pictures]
    maps = [_over(picture, one, one.bounds) for picture, one in zip(pictures, found, strict=True)]
    return _rows([pictures, maps], [[f"{one.score:.2f}" for one in found], ["where"] * len(found)])


def _patched(picture: Image.Image) -> Image.Image:
    patched = picture.copy()
    side = picture.width // 5
    patched.paste("#3399ee", (2 * side, 2 * side, 3 * side, 3 * side))
    return patched


def _over(picture: Image.Image, found: Oddity | Confidence, limits: tuple[float, float]) -> Image.Image:
    """The map over its picture."""
    return Image.blend(_cell(picture), heatmap(found.map, (CELL, CELL), limits), OPACITY)


def _rows(rows: Sequence[Sequence[Image.Image]], labels: Sequence[Sequence[str]]) -> Image.Image:
    whole, draw = _page(len(rows[0]), len(rows), labelled=True)
    for i, (row, said) in enumerate(zip(rows, labels, strict=True)):
        for j, (picture, label) in enumerate(zip(row, said, strict=True)):
            x, y = MARGIN + j * (CELL + MARGIN), MARGIN + i * (CELL + LINE + MARGIN)
            whole.paste(_cell(picture), (x, y))
            draw.text((x + CELL / 2, y + CELL + 3), label, fill=QUIET, font=FONT, anchor="ma")
    return whole


def _page(columns: int, rows: int, *, labelled: bool = False) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    height = CELL + MARGIN + (LINE if labelled else 0)
    whole = Image.new("RGB", (columns * (CELL + MARGIN) + MARGIN, rows * height + MARGIN), "white")
    return whole, ImageDraw.Draw(whole)


def _cell(picture: Image.Image) -> Image.Image:
    return picture.convert("RGB").resize((CELL, CELL), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
