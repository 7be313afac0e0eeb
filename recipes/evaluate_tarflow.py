"""Figures of the embedded TarFlows for their cards: `python -m recipes.evaluate_tarflow`."""

from __future__ import annotations

import io
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

from . import classifier, data, tarflow
from .autoencoder import as_tensor
from .config import arguments
from .held_out import HeldOut

DRAWING, LIKELIHOOD = "tarflow-mini", "tarflow-mini-8bit"
TRAINING_PICTURES = 200
SEEDS = 8
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {"format": "PNG", "optimize": True},
    "WebP": {"format": "WEBP", "lossless": True, "quality": 100, "method": 6},
}


def file_bits_per_dim(image: np.ndarray, **how: Any) -> float:
    """Bits of the whole file for each of the numbers of a picture (H, W, 3) uint8."""
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


def print_likelihoods(settings: dict[str, Any], training: data.Dataset, held_out: data.Dataset) -> None:
    """Bits per dimension of 8-bit pictures, beside lossless files of the same pictures."""
    pipeline = load(LIKELIHOOD)
    chosen = np.zeros(len(training.subjects), dtype=bool)
    chosen[np.random.default_rng(0).choice(len(chosen), min(TRAINING_PICTURES, len(chosen)), replace=False)] = True
    for name, dataset in (("training", training.where(chosen)), ("held-out", held_out)):
        known, found = tarflow.labelled(dataset, settings)
        images, labels = tarflow.small(known, pipeline.trained_side), torch.tensor(found)
        print(f"{LIKELIHOOD}, {len(images)} {name} pictures")
        for draws in (1, 16):
            _print_figure(f"given the class, {draws} draws", flow_bits_per_dim(pipeline, images, labels, draws))
        nothing = torch.full_like(labels, NO_CLASS)
        _print_figure("without the class, 1 draw", flow_bits_per_dim(pipeline, images, nothing, 1))
        for format, how in LOSSLESS.items():
            _print_figure(format, [file_bits_per_dim(image, **how) for image in images])


def print_recognition(settings: dict[str, Any], batches: tarflow.Batches, held_out: data.Dataset) -> None:
    """How often a classifier of real pictures recognises the class of drawn ones."""
    pipeline = load(DRAWING)
    assert pipeline.classes is not None
    names = pipeline.classes.names
    judge = classifier.train(batches, len(names))
    held_out, found = tarflow.labelled(held_out, settings)
    real, real_labels = as_tensor(tarflow.small(held_out, pipeline.trained_side)), torch.tensor(found)
    print(f"{DRAWING}: class recognised first, among the first three, by a classifier of real pictures")
    _print_share(f"{len(real)} held-out pictures", judge, real, real_labels)
    labels = torch.arange(len(names)).repeat_interleave(SEEDS)
    for guidance in (0.0, 0.5, 1.0, 2.0, 3.0):
        drawn = pipeline.generate(names, count=SEEDS, guidance=guidance)
        x = as_tensor(np.stack([np.asarray(image) for image in drawn]))
        _print_share(f"{len(x)} drawn ones, guidance {guidance:g}", judge, x, labels)


def _print_figure(what: str, values: list[float]) -> None:
    mean, error = mean_and_error(values)
    print(f"  {what}: {mean:.3f} ± {error:.3f} bits/dim", flush=True)


def _print_share(what: str, judge: torch.nn.Module, x: Tensor, labels: Tensor) -> None:
    first, third = (classifier.top(judge, x, labels, k) for k in (1, 3))
    print(f"  {what}: {first:.0%}, {third:.0%}", flush=True)


if __name__ == "__main__":
    config = arguments(__doc__).config
    drawing, likelihood = config.tarflow[DRAWING], config.tarflow[LIKELIHOOD]
    left_out = HeldOut.load(config.held_out)
    print_likelihoods(likelihood, *data.load(config).of_styles(likelihood["styles"]).split(left_out))
    training, held_out = data.load(config).of_styles(drawing["styles"]).split(left_out)
    print_recognition(drawing, tarflow.Batches(drawing, training, left_out), held_out)
