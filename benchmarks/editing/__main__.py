"""How well a flow's exact inverse edits pictures, in figures: `python -m benchmarks.editing`.

All pictures are held out: the model was not trained on them. The command needs the pictures of the training, which
`python -m recipes.pictures.prepare` makes. The judge's verdict needs a judge, which `python -m recipes.judge` trains.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recipes import data
from recipes import judge as judges
from recipes.config import DEFAULT, Config, load_config
from recipes.data import Data
from recipes.reference import seen_and_unseen
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import DEFAULT_MODEL, load

from . import ascent, inpaint, morph, reproduce, restyle, vary
from .sample import Sample, drawn, one_hued

PICTURES, PAIRED, FEW = 12, 24, 6
CALIBRATED = 8  # pictures of either kind, that the curve of strengths is fitted to; others are measured
NAMES = (
    *("owl", "red heart", "hamburger", "cat face", "panda", "sunflower", "green frog", "rocket", "strawberry", "snail"),
    *("rainbow", "guitar", "tiger", "apple", "house", "clown face", "pizza", "bear", "rose", "dog face", "penguin"),
    *("blue heart", "cactus", "lion", "soccer ball", "crown", "butterfly", "ghost", "robot", "tomato", "whale", "key"),
)  # of drawn pictures


@dataclass(frozen=True)
class Given:
    """What is measured, and with what.

    Attributes:
        judge: the file of a trained judge; None to leave its verdict out.
    """

    config: Config
    pipeline: Pipeline
    pictures: Data
    judge: Path | None

    @property
    def unseen(self) -> np.ndarray:
        """Places of pictures that the model was not trained on, in a random order that is always the same."""
        return np.random.default_rng(0).permutation(seen_and_unseen(self.pipeline, self.pictures)[1])

    def sample(self, number: int) -> Sample:
        """The first of them, with their names."""
        return Sample.of(self.pipeline, self.pictures, list(self.unseen[:number]))


def _vary(given: Given) -> None:
    others = Sample.of(given.pipeline, given.pictures, list(given.unseen[-CALIBRATED:]))
    vary.calibrate(given.pipeline, others, "held-out")
    vary.calibrate(given.pipeline, drawn(given.pipeline, NAMES[:CALIBRATED]), "drawn")
    vary.report(given.pipeline, given.sample(PICTURES), "held-out")
    vary.report(given.pipeline, drawn(given.pipeline, NAMES[CALIBRATED : CALIBRATED + PICTURES]), "drawn")


def _morph(given: Given) -> None:
    morph.report(given.pipeline, given.sample(PAIRED), "held-out")
    morph.report(given.pipeline, drawn(given.pipeline, NAMES[:PAIRED]), "drawn")


def _restyle(given: Given) -> None:
    restyle.report(given.pipeline, one_hued(given.pictures, list(given.unseen), PICTURES))


def _ascent(given: Given) -> None:
    ascent.report(given.pipeline, given.sample(FEW))


def _reproduce(given: Given) -> None:
    reproduce.report(given.pipeline)


def _inpaint(given: Given) -> None:
    judge = None if given.judge is None else judges.load(given.config, given.judge)
    inpaint.report(given.pipeline, given.pictures, given.unseen, judge)


def _outpaint(given: Given) -> None:
    inpaint.outpainting(given.pipeline, given.pictures, given.unseen)


def _inpaint_settings(given: Given) -> None:
    inpaint.trials(given.pipeline, given.pictures, given.unseen)


REPORTS: dict[str, Callable[[Given], None]] = {
    "inpaint": _inpaint,
    "outpaint": _outpaint,
    "inpaint-settings": _inpaint_settings,
    "vary": _vary,
    "morph": _morph,
    "restyle": _restyle,
    "ascent": _ascent,
    "reproduce": _reproduce,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="How well a flow's exact inverse edits pictures, in figures.")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or folder; %(default)s by default")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="of the training, for its pictures")
    parser.add_argument("--judge", type=Path, metavar="FILE", help="of a trained judge, for its verdict")
    parser.add_argument("--only", choices=list(REPORTS), action="append", help="some of the figures")
    asked = parser.parse_args()
    config, pipeline = load_config(asked.config), load(asked.model, dtype=torch.float32)
    given = Given(config, pipeline, data.load(config, pipeline.trained_side), asked.judge)
    for name in asked.only or REPORTS:
        REPORTS[name](given)


if __name__ == "__main__":
    main()
