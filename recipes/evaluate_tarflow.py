"""Figures of the embedded TarFlows for their cards: `python -m recipes.evaluate_tarflow`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from starflow_core.codecs.classes import NO_CLASS
from starflow_core.insight.evaluation import mean_and_error
from starflow_core.insight.likelihood import discrete_bits_per_dim
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load

from . import data, judge, tarflow
from .config import Config, arguments
from .judge import Judge
from .pixels import as_tensor

DRAWING, LIKELIHOOD = "tarflow-mini", "tarflow-mini-8bit"
PICTURES = 200  # of each kind
SEEDS = 8
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {"format": "PNG", "optimize": True},
    "WebP": {"format": "WEBP", "lossless": True, "quality": 100, "method": 6},
}


def file_bits_per_dim(image: np.ndarray, **how: Any) -> float:
    """Bits of a picture's file per dimension of the picture, (H, W, 3) uint8."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, **how)
    return 8 * len(file.getvalue()) / image.size


def flow_bits_per_dim(pipeline: Pipeline, images: np.ndarray, labels: Tensor, draws: int) -> list[float]:
    """Bits per dimension of each picture (N, H, W, 3) uint8 given its label."""
    values: list[float] = []
    for first in range(0, len(images), 32):
        x = as_tensor(images[first : first + 32])
        seeds = range(first * 1_000, (first + len(x)) * 1_000, 1_000)
        values += discrete_bits_per_dim(pipeline.flow, x, labels[first : first + 32], list(seeds), draws=draws).tolist()
    return values


def print_likelihoods(config: Config) -> None:
    """Print the bits per dimension of 8-bit pictures, and those of lossless files of the same pictures."""
    pipeline = load(config.models / LIKELIHOOD)
    pictures = data.load(config, pipeline.trained_side)
    kinds = {"training": pictures.trained, "held-out": pictures.unseen, "held-out names'": pictures.unknown}
    for kind, every in kinds.items():
        places = data.some(every, PICTURES)
        images, labels = pictures.images(places), tarflow.labels_of(pictures, places)
        print(f"{LIKELIHOOD}, {len(images)} {kind} pictures")
        for draws in (1, 16):
            _print_figure(f"given the class, {draws} draws", flow_bits_per_dim(pipeline, images, labels, draws))
        nothing = torch.full_like(labels, NO_CLASS)
        _print_figure("without the class, 1 draw", flow_bits_per_dim(pipeline, images, nothing, 1))
        for format, how in LOSSLESS.items():
            _print_figure(format, [file_bits_per_dim(image, **how) for image in images])


def print_recognition(config: Config, judged_by: Judge) -> None:
    """Print how often the judge finds the class of drawn pictures among the names of all classes."""
    pipeline = load(config.models / DRAWING)
    assert pipeline.classes is not None
    names = pipeline.classes.names
    pictures = data.load(config, pipeline.trained_side)
    labels = tarflow.labels_of(pictures, pictures.unseen)
    known = labels != NO_CLASS
    print(f"{DRAWING}: class recognised first, among the first three, by a judge of pictures and texts")
    real = pictures.images(pictures.unseen[known.numpy()])
    _print_share(f"{len(real)} held-out pictures", judged_by, real, names, labels[known])
    right = torch.arange(len(names)).repeat_interleave(SEEDS)
    for guidance in (0.0, 0.5, 1.0, 2.0, 3.0):
        drawn = pipeline.generate(names, count=SEEDS, guidance=guidance)
        images = np.stack([np.asarray(image) for image in drawn])
        _print_share(f"{len(drawn)} drawn ones, guidance {guidance:g}", judged_by, images, names, right)


def _print_figure(what: str, values: list[float]) -> None:
    mean, error = mean_and_error(values)
    print(f"  {what}: {mean:.3f} ± {error:.3f} bits/dim", flush=True)


def _print_share(what: str, judged_by: Judge, images: np.ndarray, names: Sequence[str], right: Tensor) -> None:
    ranks = judged_by.ranks(images, names, right.tolist())
    first, third = (sum(rank < k for rank in ranks) / len(ranks) for k in (1, 3))
    print(f"  {what}: {first:.0%}, {third:.0%}", flush=True)


if __name__ == "__main__":
    config = arguments(__doc__).config
    print_likelihoods(config)
    print_recognition(config, judge.load(config))
