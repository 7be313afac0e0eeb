"""What the likelihoods are good for, in figures: `python -m benchmarks.insight`.

All pictures are held out: the model was not trained on them, save those of the calibration that are called training
pictures. The figures of prompt matching and of confidence, and the means over all kinds of odd pictures, come with 95 %
confidence intervals.

The command needs the pictures of the training, which `python -m recipes.pictures.prepare` makes, and scikit-image,
scikit-learn and matplotlib. The figures of the best of several pictures need the judge, which `python -m recipes.judge`
trains; textiles.py says where those come from.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recipes import data, judge
from recipes.config import DEFAULT, Config, load_config
from recipes.data import Data
from recipes.evaluate import Evaluation
from recipes.pictures.fetch import fetch
from recipes.pictures.table import packages
from recipes.reference import seen_and_unseen
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import DEFAULT_MODEL, load

from . import anomaly, best, calibration, confidence, match, textiles
from .pictures import odd

# Pictures: for the confidence, and for the calibration of each kind, the training and held-out ones and the odd ones.
CONFIDENCE, CALIBRATION, ODD = 100, 100, 25


@dataclass(frozen=True)
class Given:
    """What is measured, and with what."""

    config: Config
    pipeline: Pipeline
    pictures: Data

    @property
    def unseen(self) -> np.ndarray:
        """Places of held-out pictures of trained names, in a random order that is always the same."""
        return np.random.default_rng(0).permutation(self.pictures.unseen)

    @property
    def seen_and_others(self) -> tuple[np.ndarray, np.ndarray]:
        """Places of pictures that the model was trained on, and of others, as `unseen`."""
        seen, others = seen_and_unseen(self.pipeline, self.pictures)
        return np.random.default_rng(0).permutation(seen), np.random.default_rng(0).permutation(others)

    @property
    def packages(self) -> dict[str, Path]:
        """The folders of the packages that contain flags."""
        return {"iconify": fetch(packages()["iconify"], self.config.folder / "packages")}


def _match(given: Given) -> None:
    match.report(given.pipeline, given.pictures, given.unseen)


def _best(given: Given) -> None:
    best.report(Evaluation(given.pipeline, given.pictures, judge.load(given.config), {}))


def _anomaly(given: Given) -> None:
    anomaly.report(given.pipeline, given.pictures.images(given.unseen), given.packages)


def _textiles(given: Given) -> None:
    textiles.report(given.pipeline)


def _confidence(given: Given) -> None:
    _, others = given.seen_and_others
    confidence.report(given.pipeline, given.pictures.images(others[:CONFIDENCE]))


def _calibration(given: Given) -> None:
    seen, others = given.seen_and_others
    held_out = given.pictures.images(others[:CALIBRATION])
    kinds = {"training": given.pictures.images(seen[:CALIBRATION]), "held-out": held_out}
    calibration.report(given.pipeline, kinds | dict(odd(held_out, ODD, given.packages)))


REPORTS: dict[str, Callable[[Given], None]] = {
    "match": _match,
    "best": _best,
    "anomaly": _anomaly,
    "textiles": _textiles,
    "confidence": _confidence,
    "calibration": _calibration,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="What the likelihoods are good for, in figures.")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or folder; %(default)s by default")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="of the training, for its pictures")
    parser.add_argument("--only", choices=list(REPORTS), help="some of the figures")
    asked = parser.parse_args()
    config, pipeline = load_config(asked.config), load(asked.model, dtype=torch.float32)
    given = Given(config, pipeline, data.load(config, pipeline.trained_side))
    for name in [asked.only] if asked.only else REPORTS:
        REPORTS[name](given)


if __name__ == "__main__":
    main()
