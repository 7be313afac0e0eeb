"""A style that a model has never seen, learnt by a LoRA of it: `python -m benchmarks.train --only style`.

The base has learnt two sets of flat emoji; the style is that of a third set, of glossy bodies. Some of its pictures are
learnt, each with its name. Then other names are drawn without the LoRA, and with it at several strengths. A network
tells of each picture which of seven sets it is of, and another which of the names it shows: `telling.py`.

Neither network is the flow's, and none of the drawn names is learnt by the LoRA. The network of the sets has not seen
the drawn names either, so that its figure on the set's own pictures is what a perfect LoRA would have. That of the
names has seen each of them in all the sets.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from recipes import data
from recipes.config import Config
from recipes.data import Data
from recipes.figures import Figure
from starflow_core.lora.adapter import Lora
from starflow_core.lora.apply import with_loras
from starflow_core.pipeline import Pipeline
from starflow_core.training import train
from starflow_core.weights.model_folder import load

from .telling import Telling, decoded
from .telling import drawn as as_pictures

BASE, KNOWN = "starflow-mini", ("noto", "twemoji")  # the model, and the sets that it has learnt
SET = "fluent-3d"
SETS = (SET, *KNOWN, "fxemoji", "emojione", "fluent-emoji-flat", "fluent-emoji-high-contrast")  # of the same names
LEARNT, DRAWN = 200, 150  # pictures to learn, and names to draw
HOW = {"lora": 16, "mirror": True, "batch_size": 16, "learning_rate": 1e-3, "pictures": 4800}
STRENGTHS = (0.3, 0.5, 0.7, 1.0)  # of the LoRA; 1 is as it was trained
SETS_STEPS, NAMES_STEPS = 300, 600  # of the networks
SHOWN, SCALE = 10, 2  # columns of the sheet, and how much larger its pictures are drawn
SHEET = "style.jpg"


@dataclass(frozen=True)
class Style:
    """The pictures of a style, and of other sets.

    Attributes:
        captions: names of the pictures to learn.
        learnt: these pictures (N, S, S, 3) uint8.
        names: to draw, none of which is learnt.
        own: the set's own pictures of these names, the same.
        sets: pictures of other names, the same, of each of `SETS`.
        named: pictures of each of the names to draw, the same, of all sets.
    """

    captions: list[str]
    learnt: np.ndarray
    names: list[str]
    own: np.ndarray
    sets: list[np.ndarray]
    named: list[np.ndarray]

    @classmethod
    def of(cls, pictures: Data) -> Style:
        """Those of `SET` whose names the base has learnt, in a random order that is always the same."""
        known = {row.name for row in pictures.rows(pictures.trained) if row.set in KNOWN}
        places: dict[str, dict[str, int]] = {name: {} for name in SETS}
        for place, row in enumerate(pictures.pictures.rows):
            if row.set in places:
                places[row.set][row.name] = place
        names = sorted(known & places[SET].keys())
        random.Random(0).shuffle(names)
        learnt, drawn = names[:LEARNT], names[LEARNT : LEARNT + DRAWN]

        def images(found: Sequence[int]) -> np.ndarray:
            return pictures.images(np.array(found))

        apart = {*drawn, *learnt}
        return cls(
            learnt,
            images([places[SET][name] for name in learnt]),
            drawn,
            images([places[SET][name] for name in drawn]),
            [images([place for name, place in of.items() if name not in apart]) for of in places.values()],
            [images([of[name] for of in places.values() if name in of]) for name in drawn],
        )

    def write(self, folder: Path) -> None:
        """Write the pictures to learn, with their captions beside them."""
        folder.mkdir(parents=True, exist_ok=True)
        for i, (pixels, caption) in enumerate(zip(self.learnt, self.captions, strict=True)):
            Image.fromarray(pixels).save(folder / f"{i:03}.png")
            (folder / f"{i:03}.txt").write_text(f"{caption}\n", encoding="utf-8")


def report(config: Config, folder: Path) -> None:
    """Train the LoRA, draw without it and with it, and print how many pictures are of the style, and of the name.

    Raises:
        SystemExit: the pictures of the recipes are missing.
    """
    style = Style.of(data.load(config))
    lora, base = trained(style, folder), load(BASE, device="cpu")
    assert base.autoencoder is not None
    which_set, which_name = (
        Telling.fit(
            decoded(np.concatenate(kinds), base.autoencoder),
            [kind for kind, images in enumerate(kinds) for _ in images],
            steps,
        )
        for kinds, steps in ((style.sets, SETS_STEPS), (style.named, NAMES_STEPS))
    )
    drawn = {"without the LoRA": _drawn(base, style.names)}
    for strength in STRENGTHS:
        drawn[f"strength {strength:g}"] = _drawn(with_loras(base, [(lora, strength)]), style.names)
    sheet([style.learnt, *drawn.values()]).save(folder / SHEET, quality=88, optimize=True)
    print(f"\n{len(style.names)} names that are not among the {len(style.learnt)} pictures to learn\n")
    print("| pictures | in the style | name right | among the best five |\n| --- | --- | --- | --- |")
    for what, images in drawn.items():
        found = as_pictures(images)
        names = which_name.ranks(found, range(len(found)))
        _row(
            what, which_set.ranks(found, [0] * len(found)), [rank == 0 for rank in names], [rank < 5 for rank in names]
        )
    _row("the set's own", which_set.ranks(decoded(style.own, base.autoencoder), [0] * len(style.own)))


def trained(style: Style, folder: Path) -> Lora:
    """The LoRA in a folder, which is trained first if it is not there yet."""
    style.write(folder / "pictures")
    start = time.perf_counter()
    train(folder / "pictures", folder / "lora", base=BASE, device="cpu", **HOW)  # type: ignore[arg-type]
    print(f"Trained in {(time.perf_counter() - start) / 60:.1f} minutes.")
    return Lora.load(folder / "lora")


def sheet(rows: Sequence[Sequence[Image.Image] | np.ndarray]) -> Image.Image:
    """The first pictures of each row, side by side."""
    side = 64 * SCALE
    made = Image.new("RGB", (side * SHOWN, side * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row[:SHOWN]):
            whole = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
            made.paste(whole.resize((side, side), Image.Resampling.LANCZOS), (x * side, y * side))
    return made


def _drawn(pipeline: Pipeline, names: Sequence[str]) -> list[Image.Image]:
    return [picture for first in range(0, len(names), 50) for picture in pipeline.generate(names[first : first + 50])]


def _row(what: str, ranks: Sequence[int], *others: Sequence[bool]) -> None:
    """A row of the table: whether the first of all sets is thought likeliest, and other shares."""
    shares = [[rank == 0 for rank in ranks], *others]
    print(f"| {what} | {' | '.join(str(Figure.share(what, share)) for share in shares)} |", flush=True)
