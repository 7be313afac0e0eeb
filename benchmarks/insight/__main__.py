"""What the likelihoods are good for, in figures: `python -m benchmarks.insight`.

All pictures are held out: the model was not trained on them. The figures of prompt matching, and the means over all
kinds of odd pictures, come with 95 % confidence intervals. The command needs the pictures of the training, which
`python -m recipes.pictures.prepare` makes, and scikit-image and scikit-learn. The figures of the best of several
pictures need the judge, which `python -m recipes.judge` trains; textiles.py says where those come from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from recipes import data, judge
from recipes.config import DEFAULT, load_config
from recipes.evaluate import Evaluation
from recipes.pictures.fetch import fetch
from recipes.pictures.table import packages
from starflow_core.weights.model_folder import DEFAULT_MODEL, load

from . import anomaly, best, match, textiles


def main() -> None:
    parser = argparse.ArgumentParser(description="What the likelihoods are good for, in figures.")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or folder; %(default)s by default")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="of the training, for its pictures")
    parser.add_argument("--only", choices=("match", "best", "anomaly", "textiles"), help="some of the figures")
    given = parser.parse_args()
    config = load_config(given.config)
    pipeline = load(given.model, dtype=torch.float32)
    pictures = data.load(config, pipeline.trained_side)
    unseen = np.random.default_rng(0).permutation(pictures.unseen)
    if given.only in (None, "match"):
        match.report(pipeline, pictures, unseen)
    if given.only in (None, "best"):
        best.report(Evaluation(pipeline, pictures, judge.load(config), {}))
    if given.only in (None, "anomaly"):
        folders = {"iconify": fetch(packages()["iconify"], config.folder / "packages")}
        anomaly.report(pipeline, pictures.images(unseen), folders)
    if given.only in (None, "textiles"):
        textiles.report(pipeline)


if __name__ == "__main__":
    main()
