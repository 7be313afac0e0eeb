"""Figures of the embedded model that takes prompts, for its card: `python -m training.evaluate`.

Every figure comes with the half width of its 95 % confidence interval.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from starflow_core.autoencoder import Autoencoder
from starflow_core.evaluation import mean_and_error
from starflow_core.likelihood import score
from starflow_core.model_folder import load
from starflow_core.pipeline import Pipeline

from . import autoencoder, data
from .config import load_config

PICTURES = 50
DRAWS = 2
CAPTIONS = 300
PROMPTS, SEEDS = 16, 8
TIMED = 9
QUANTILE = 1.96  # of the normal distribution, for 95 %


def bits_per_dim(pipeline: Pipeline, dataset: data.Dataset, captioned: bool) -> list[float]:
    """Bits per dimension of each picture's noised latents given its name, or nothing."""
    assert pipeline.text_encoder is not None
    latents = features(pipeline, dataset.images).unflatten(1, (pipeline.flow.config.in_channels, -1))
    side = pipeline.flow.config.img_size
    text = pipeline.text_encoder.encode([subject.name if captioned else "" for subject in dataset.subjects])
    pairs = zip(latents.unflatten(2, (side, side)), text, strict=True)
    return [score(pipeline.flow, x, prompt[None], draws=DRAWS).bits_per_dim for x, prompt in pairs]


@torch.no_grad()
def features(pipeline: Pipeline, images: np.ndarray) -> Tensor:
    """The autoencoder's latents of pictures (N, H, W, 3) uint8, as vectors (N, D)."""
    assert pipeline.autoencoder is not None
    chunks = np.array_split(images, max(1, len(images) // 64))
    return torch.cat([pipeline.autoencoder.encode(autoencoder.as_tensor(chunk)).flatten(1) for chunk in chunks])


def ranks(pipeline: Pipeline, dataset: data.Dataset, count: int) -> list[int]:
    """How many pictures are nearer than the one that is named, to ones drawn from random captions, one seed each."""
    rng = random.Random(0)
    chosen = rng.sample(range(len(dataset.subjects)), min(count, len(dataset.subjects)))
    known = features(pipeline, dataset.images)
    found = []
    for seed, i in enumerate(tqdm(chosen, desc="captions", disable=None)):
        drawn = pipeline.generate(dataset.subjects[i].caption(rng), seed=seed)
        distances = (known - features(pipeline, as_array(drawn))).norm(dim=1)
        found.append(int((distances < distances[i]).sum()))
    return found


def diversity(pipeline: Pipeline, subjects: Sequence[data.Subject]) -> tuple[float, float]:
    """Mean distance between pictures of the same prompt, and between those of different prompts."""
    drawn = [features(pipeline, as_array(pipeline.generate(subject.name, count=SEEDS))) for subject in subjects]
    within = [float(torch.pdist(pictures).mean()) for pictures in drawn]
    between = float(torch.pdist(torch.stack([pictures[0] for pictures in drawn])).mean())
    return statistics.fmean(within), between


def seconds_a_picture(pipeline: Pipeline) -> float:
    """Median time of one picture at default settings."""
    times = []
    for seed in range(TIMED):
        start = time.perf_counter()
        pipeline.generate("red heart", seed=seed)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def as_array(images: Sequence[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images])


def psnr(model: Autoencoder, dataset: data.Dataset) -> list[float]:
    """Of each picture that went to latents and back, in dB."""
    return [autoencoder.psnr(model, autoencoder.as_tensor(image[None])) for image in dataset.images]


def _print_mean(what: str, values: Sequence[float], unit: str) -> None:
    mean, error = mean_and_error(values)
    print(f"  {what}: {mean:.3f} ± {QUANTILE * error:.3f} {unit}", flush=True)


def _print_share(what: str, hits: Sequence[bool]) -> None:
    share = sum(hits) / len(hits)
    print(f"  {what}: {share:.3f} ± {QUANTILE * math.sqrt(share * (1 - share) / len(hits)):.3f}", flush=True)


@torch.no_grad()
def main() -> None:
    config, pipeline = load_config(), load()
    assert pipeline.autoencoder is not None
    everything = data.load(config)
    training, held_out = everything.split(config.data["held_out"])
    chosen = np.zeros(len(training.subjects), dtype=bool)
    chosen[np.random.default_rng(0).choice(len(chosen), PICTURES, replace=False)] = True
    for name, dataset in (("training", training.where(chosen)), ("held-out", held_out)):
        print(f"{len(dataset.subjects)} {name} pictures")
        _print_mean("autoencoder, PSNR", psnr(pipeline.autoencoder, dataset), "dB")
        for captioned in (True, False):
            given = "given the name" if captioned else "unconditional"
            _print_mean(f"flow, {given}", bits_per_dim(pipeline, dataset, captioned), "bits/dim")

    found = ranks(pipeline, everything, CAPTIONS)
    print(f"the named picture among {len(everything.subjects)}, of {len(found)} captions")
    _print_share("recall@1", [rank < 1 for rank in found])
    _print_share("recall@5", [rank < 5 for rank in found])
    within, between = diversity(pipeline, random.Random(1).sample(training.subjects, PROMPTS))
    print(f"distance between {SEEDS} seeds of a prompt, as a share of that between prompts: {within / between:.2f}")
    print(f"time a picture: {seconds_a_picture(pipeline):.2f} s with {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
