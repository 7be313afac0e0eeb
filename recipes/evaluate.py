"""Figures of the embedded model that takes prompts, onto its card: `python -m recipes.evaluate`.

Every figure comes with the half width of its 95 % confidence interval.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from starflow_core.insight.likelihood import score
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import DEFAULT_MODEL, load

from . import autoencoder, data
from .config import Config, arguments
from .figures import Figure, table, write
from .held_out import HeldOut, is_colourable
from .judge import Judge, as_array, has_colour

PICTURES = 100
DRAWS = 2
CAPTIONS, PAIRS = 300, 200
PROMPTS, SEEDS = 24, 8
TIMED = 9


@dataclass(frozen=True)
class Evaluation:
    """A model with the pictures that it was trained on and those that it never saw.

    Attributes:
        pipeline: the model.
        training, held_out: pictures of the flow's styles.
        pairs: subjects, as places in `training`, with colours that they can be given and were never trained in.
        judge: knows all pictures, the training ones first.
        sampling: arguments of `Pipeline.generate` that are not to be the default.
    """

    pipeline: Pipeline
    training: data.Dataset
    held_out: data.Dataset
    pairs: list[tuple[int, str]]
    judge: Judge
    sampling: dict[str, Any]

    @classmethod
    def of(cls, config: Config, pipeline: Pipeline) -> Evaluation:
        left_out = HeldOut.load(config.held_out)
        training, held_out = data.load(config).of_styles(config.flow["styles"]).split(left_out)
        # Some pairs are those of another style only, since a picture of many hues has no colour to be given another.
        pairs = [
            (i, colour)
            for i, (subject, image) in enumerate(zip(training.subjects, training.images, strict=True))
            if is_colourable(subject, image)
            for colour in left_out.pairs.get(subject.name, ())
        ]
        everything = data.Dataset(
            [*training.subjects, *held_out.subjects], np.concatenate([training.images, held_out.images])
        )
        assert pipeline.autoencoder is not None
        return cls(pipeline, training, held_out, pairs, Judge(pipeline.autoencoder, everything), {})

    def with_sampling(self, **sampling: Any) -> Evaluation:
        return replace(self, sampling=sampling)

    def figures(self) -> Iterator[Figure]:
        """All of them, as they come."""
        for name, dataset in (("training", self._some_of_training()), ("held-out", self.held_out)):
            which = f"{len(dataset.subjects)} {name} pictures"
            yield Figure.mean(f"autoencoder, PSNR, {which}", self.psnr(dataset), "dB")
            yield Figure.mean(f"flow given the name, {which}", self.bits_per_dim(dataset, named=True), "bits/dim")
            yield Figure.mean(f"flow given nothing, {which}", self.bits_per_dim(dataset, named=False), "bits/dim")
        yield from self.recall(CAPTIONS)
        yield from self.compositions(PAIRS)
        yield self.diversity()
        yield Figure(f"time a picture, {torch.get_num_threads()} threads", self.seconds_a_picture(), None, "s")

    def psnr(self, dataset: data.Dataset) -> list[float]:
        """Of each picture that went to latents and back, in dB."""
        model = self.pipeline.autoencoder
        assert model is not None
        return [autoencoder.psnr(model, autoencoder.as_tensor(image[None])) for image in dataset.images]

    def bits_per_dim(self, dataset: data.Dataset, *, named: bool) -> list[float]:
        """Bits per dimension of each picture's noised latents given its name, or nothing."""
        pipeline, config = self.pipeline, self.pipeline.flow.config
        latents = self.judge.features(dataset.images).unflatten(1, (config.in_channels, config.img_size, -1))
        texts = pipeline.condition([subject.name if named else "" for subject in dataset.subjects])
        assert texts is not None
        return [
            score(pipeline.flow, x, text[None], draws=DRAWS).bits_per_dim
            for x, text in zip(latents, texts, strict=True)
        ]

    def recall(self, count: int) -> Iterator[Figure]:
        """How often the picture that is nearest to a drawn one is that of the prompt, one seed a prompt."""
        chosen = random.Random(0).sample(range(len(self.training.subjects)), min(count, len(self.training.subjects)))
        ranks = []
        for seed, i in enumerate(tqdm(chosen, desc="names", disable=None, leave=False)):
            [image] = self.pipeline.generate(self.training.subjects[i].name, seed=seed, **self.sampling)
            ranks.append(self.judge.rank(image, i))
        for k in (1, 5):
            yield Figure.share(f"recall@{k} of {len(ranks)} named pictures", [rank < k for rank in ranks])

    def compositions(self, count: int) -> Iterator[Figure]:
        """How often subjects in colours that they were never seen in are that colour, and that subject."""
        coloured, ranks = [], []
        chosen = random.Random(0).sample(self.pairs, min(count, len(self.pairs)))
        for seed, (i, colour) in enumerate(tqdm(chosen, desc="colours", disable=None, leave=False)):
            prompt = f"{colour} {self.training.subjects[i].name}"
            [image] = self.pipeline.generate(prompt, seed=seed, **self.sampling)
            coloured.append(has_colour(image, colour))
            ranks.append(self.judge.rank(image, i, colour))
        yield Figure.share(f"colour right, of {len(ranks)} held-out pairs", coloured)
        for k in (1, 5):
            yield Figure.share(
                f"subject right, recall@{k}, of {len(ranks)} held-out pairs", [rank < k for rank in ranks]
            )

    def diversity(self) -> Figure:
        """Mean distance between pictures of the same prompt, as a share of that between prompts."""
        subjects = random.Random(1).sample(self.training.subjects, min(PROMPTS, len(self.training.subjects)))
        drawn = [
            self.judge.features(as_array(self.pipeline.generate(subject.name, count=SEEDS, **self.sampling)))
            for subject in subjects
        ]
        between = float(torch.pdist(torch.stack([pictures[0] for pictures in drawn])).mean())
        # Where a model draws one picture whatever it is asked for, there is no distance at all.
        within = [float(torch.pdist(pictures).mean()) / between if between else 0.0 for pictures in drawn]
        return Figure.mean(
            f"distance between {SEEDS} seeds of a prompt, as a share of that between prompts", within, ""
        )

    def seconds_a_picture(self) -> float:
        """Median time of one picture."""
        times = []
        for seed in range(TIMED):
            start = time.perf_counter()
            self.pipeline.generate("red heart", seed=seed, **self.sampling)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def _some_of_training(self) -> data.Dataset:
        chosen = np.zeros(len(self.training.subjects), dtype=bool)
        chosen[np.random.default_rng(0).choice(len(chosen), min(PICTURES, len(chosen)), replace=False)] = True
        return self.training.where(chosen)


def main() -> None:
    config = arguments(__doc__).config
    folder = config.models / DEFAULT_MODEL
    figures = []
    for figure in Evaluation.of(config, load(folder)).figures():
        print(f"{figure.what}: {figure}", flush=True)
        figures.append(figure)
    write(table(figures), folder / "README.md")


if __name__ == "__main__":
    main()
