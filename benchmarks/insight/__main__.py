"""What the likelihoods are good for, in figures: `python -m benchmarks.insight`.

All pictures are held out: the model was not trained on them, save those of the calibration that are called training
pictures. The figures of prompt matching and of confidence, and the means over all kinds of odd pictures, come with 95 %
confidence intervals. The command needs the pictures of the training, which
`python -m recipes.pictures.prepare` makes, and scikit-image, scikit-learn and matplotlib.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from recipes import data
from recipes.config import DEFAULT, load_config
from recipes.pictures.fetch import fetch
from recipes.pictures.table import packages
from recipes.reference import seen_and_unseen
from starflow_core.weights.model_folder import DEFAULT_MODEL, load

from . import anomaly, calibration, confidence, match
from .pictures import odd

# Pictures: for the confidence, and for the calibration of each kind, the training and held-out ones and the odd ones.
CONFIDENCE, CALIBRATION, ODD = 100, 100, 25


def main() -> None:
    parser = argparse.ArgumentParser(description="What the likelihoods are good for, in figures.")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or folder; %(default)s by default")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="of the training, for its pictures")
    parser.add_argument("--only", choices=("match", "anomaly", "confidence", "calibration"), help="some of the figures")
    given = parser.parse_args()
    config = load_config(given.config)
    pipeline = load(given.model, dtype=torch.float32)
    pictures = data.load(config, pipeline.trained_side)
    unseen = np.random.default_rng(0).permutation(pictures.unseen)
    if given.only in (None, "match"):
        match.report(pipeline, pictures, unseen)
    seen, others = (np.random.default_rng(0).permutation(places) for places in seen_and_unseen(pipeline, pictures))
    if given.only in (None, "confidence"):
        confidence.report(pipeline, pictures.images(others[:CONFIDENCE]))
    if given.only not in (None, "anomaly", "calibration"):
        return
    folders = {"iconify": fetch(packages()["iconify"], config.folder / "packages")}
    if given.only != "calibration":
        anomaly.report(pipeline, pictures.images(unseen), folders)
    if given.only != "anomaly":
        held_out = pictures.images(others[:CALIBRATION])
        kinds = {"training": pictures.images(seen[:CALIBRATION]), "held-out": held_out}
        calibration.report(pipeline, kinds | dict(odd(held_out, ODD, folders)))


if __name__ == "__main__":
    main()
