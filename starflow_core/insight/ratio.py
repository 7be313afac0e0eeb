"""Anomaly detection by the ratio of two likelihoods: under a model, and under a broader one."""

from __future__ import annotations

import itertools
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from ..flow.noise import SEEDS
from ..images import AnyImage
from ..progress import OnProgress
from . import scorer_file
from .evaluation import fingerprint
from .likelihood import with_training_noise
from .oddity import Oddity, Settings, are_large, checked_finite, given_pictures, seen_normal, spread_by_place, tiles_of
from .scorer_file import RATIO_FORMAT
from .scoring import at_once

if TYPE_CHECKING:
    from ..pipeline import Pipeline


class _Seen(NamedTuple):
    """Bits that the N tiles of a picture cost above those under the broader model: (N,), and by place (N, h, w)."""

    scores: Tensor
    maps: Tensor


class LikelihoodRatio:
    """A scorer of pictures by the ratio of two likelihoods; `fit` or `load` makes it.

    What makes any picture likely, such as large plain areas, does so under both models and cancels out; what is left is
    what the model knows beyond the broader one (arXiv 1906.02845, 2006.10848). Of the same picture, each model takes
    its own size, so both likelihoods are in bits per pixel of what the model looks at:

        score = −log₂ p(x | model) / pixels + log₂ p(x | broader model) / pixels

    Larger is odder. The densities are of other units if one model is of latents; this adds the same to every score.

    Args:
        pipeline: the model, which knows normal pictures.
        broader: the other model, which knows more kinds of pictures or knows them less.
        settings: how pictures are scored; the prompt is for the model alone.
        places: (2, h, w), mean and standard deviation of the maps of normal tiles.
        calibration: (n,), ascending: the scores of normal pictures. Nothing but these is fitted.
    """

    def __init__(
        self, pipeline: Pipeline, broader: Pipeline, settings: Settings, places: Tensor, calibration: Tensor
    ) -> None:
        self.pipeline, self.broader, self.settings = pipeline, broader, settings
        self.places, self.calibration = places, calibration
        self._conditions = (pipeline.scored_condition(settings.prompt or None), broader.scored_condition(None))

    @classmethod
    def fit(
        cls,
        pipeline: Pipeline,
        broader: Pipeline,
        images: os.PathLike[str] | str | Sequence[AnyImage],
        *,
        prompt: str = "",
        draws: int = 2,
        seed: int = 0,
        tiled: bool | None = None,
        false_positive_rate: float = 0.05,
        failed: Callable[[str], None] = warnings.warn,
        on_progress: OnProgress = lambda done, total: None,
    ) -> LikelihoodRatio:
        """Fit a scorer on normal pictures; all arguments but the broader model are those of `Anomaly.fit`.

        Raises:
            ValueError: both models are the same, there are too few pictures, all are alike, or a setting is out of
                range.
        """
        if fingerprint(pipeline.flow) == fingerprint(broader.flow):
            raise ValueError(f"{broader.name!r} is the model itself, and every ratio is 1; choose a broader one.")
        given = given_pictures(images)
        settings = Settings(prompt, draws, seed, bool(tiled), false_positive_rate)
        if tiled is None:
            settings = replace(settings, tiled=are_large(given, pipeline.trained_side))
        scorer = cls(pipeline, broader, settings, torch.zeros(0), torch.zeros(0))

        def look(image: AnyImage) -> _Seen:
            (seen,) = scorer._seen([list(tiles_of(pipeline, image, settings))])
            checked_finite(seen.scores, image)
            return seen

        seen = seen_normal(given, look, failed, on_progress)
        scorer.places = spread_by_place(torch.cat([one.maps for one in seen]))
        scorer.calibration = torch.stack([one.scores.max() for one in seen]).sort().values
        return scorer

    def score(self, image: AnyImage) -> Oddity:
        """Score how odd a picture is.

        Raises:
            ValueError: the picture cannot be read.
        """
        return self.score_all([image])[0]

    def score_all(self, images: Sequence[AnyImage]) -> list[Oddity]:
        """Score several pictures together; each result is that of `score`, up to rounding.

        Raises:
            ValueError: one of the pictures cannot be read.
        """
        tiles = [tiles_of(self.pipeline, image, self.settings) for image in images]
        seen = self._seen([list(one) for one in tiles])
        mean, deviation = self.places
        return [
            Oddity.of(one.scores, (one.maps - mean) / deviation, of, self.calibration, self.settings)
            for of, one in zip(tiles, seen, strict=True)
        ]

    def predict(self, image: AnyImage) -> bool:
        """Whether a picture is odd, at the false-positive rate of the settings; raises as `score`."""
        return self.score(image).is_odd

    def save(self, file: os.PathLike[str] | str) -> None:
        """Write the scorer, without the models, to a safetensors file.

        Raises:
            OSError: the file cannot be written.
        """
        tensors = {"places": self.places, "calibration": self.calibration}
        models = {"model": self.pipeline, "broader": self.broader}
        scorer_file.write(Path(file), RATIO_FORMAT, models, self.settings, tensors)

    @classmethod
    def load(cls, file: os.PathLike[str] | str, pipeline: Pipeline, broader: Pipeline) -> LikelihoodRatio:
        """Load a scorer from its file.

        Raises:
            ValueError: the file is not one of such a scorer, or was fitted with other models or other weights.
        """
        path = Path(file)
        settings, tensors = scorer_file.read(path, RATIO_FORMAT, {"model": pipeline, "broader": broader})
        side = pipeline.flow.config.trained_side
        scorer_file.check_tensors(path, tensors, {"places": (2, side, side)})
        return cls(pipeline, broader, settings, tensors["places"], tensors["calibration"])

    def _seen(self, tiles: Sequence[Sequence[Image.Image]]) -> list[_Seen]:
        """What the tiles of pictures cost."""
        every = list(itertools.chain.from_iterable(tiles))
        side = self.pipeline.flow.config.trained_side
        own, other = (
            bits_by_place(pipeline, every, condition, self.settings)
            for pipeline, condition in zip((self.pipeline, self.broader), self._conditions, strict=True)
        )
        maps = own - torch.nn.functional.adaptive_avg_pool2d(other[:, None], side)[:, 0]
        counts = [len(one) for one in tiles]
        scores = own.mean((1, 2)) - other.mean((1, 2))
        # What overflows under the broader model alone must not pass for the most normal of all.
        scores, maps = (values.where(values.isfinite(), torch.inf) for values in (scores, maps))
        return [_Seen(*one) for one in zip(scores.split(counts), maps.split(counts), strict=True)]


@torch.no_grad()
def bits_by_place(
    pipeline: Pipeline, images: Sequence[Image.Image], condition: Tensor | None, settings: Settings
) -> Tensor:
    """Bits per pixel of square pictures by place (N, h, w), the mean over noise draws; the mean of a map is the whole.

    The pixels are those of the model's own size, to which the pictures are scaled.
    """
    flow, side = pipeline.flow, pipeline.trained_side
    grid = flow.config.trained_side
    pixels = (side / grid) ** 2  # of a place
    some = max(1, at_once((grid, grid), len(images) * settings.draws) // settings.draws)
    found = []
    for part in _parts(images, some):
        x = pipeline.encode_all([one.resize((side, side), Image.Resampling.LANCZOS) for one in part])
        noised = torch.cat([with_training_noise(flow, one, settings.seed % SEEDS, settings.draws) for one in x])
        given = None if condition is None else condition.expand(len(noised), *condition.shape[1:])
        maps = flow(noised, given).log_prob_map.unflatten(0, (len(x), settings.draws)).double().mean(1)
        found.append(-maps.cpu() / (math.log(2) * pixels))
    return torch.cat(found)


def _parts(images: Sequence[Image.Image], some: int) -> Iterator[Sequence[Image.Image]]:
    return (images[first : first + some] for first in range(0, len(images), some))
