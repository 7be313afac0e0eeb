"""Measures of many pictures: likelihood, confidence, match with prompts, oddness."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from ..flow.noise import check_seed
from ..pipeline import Pipeline, check_draws
from .confidence import Confidence, confidence
from .likelihood import Likelihood, scored_at_once, scores
from .looking import tiles_at_once
from .match import Match, match
from .measure import Column, Measure, Picture, T, in_table, move, without_text
from .oddity import Oddity
from .ratio import LikelihoodRatio
from .scorers import Scorer
from .scoring import at_once
from .tiles import Tiles

if TYPE_CHECKING:
    from typing_extensions import Self


class _Given(Measure[T]):
    """A measure of pictures given one prompt, over noise draws.

    Args:
        pipeline: the model.
        prompt: what the pictures show; None for anything.
        draws: number of noise draws to average over.
        seed: of the first draw.

    Raises:
        ValueError: the model takes no prompts, the class is unknown, or a number is out of range.
    """

    asked = (Column("prompt", str), Column("draws", int), Column("seed", int))

    def __init__(self, pipeline: Pipeline, prompt: str | None = None, *, draws: int = 4, seed: int = 0) -> None:
        check_draws(draws)
        check_seed(seed)
        self.condition = pipeline.scored_condition(prompt)
        super().__init__(pipeline, {"prompt": in_table(prompt or ""), "draws": draws, "seed": seed})

    @property
    def at_once(self) -> int:
        return scored_at_once(_grid(self.pipeline), self.settings["draws"])


class ScoreMeasure(_Given[Likelihood]):
    """The likelihood of pictures."""

    name = "score"
    values = (
        *(Column(name, float) for name in ("log_prob", "standard_error", "bits_per_dim")),
        *(Column(name, int) for name in ("width", "height", "scored_width", "scored_height")),
    )

    def measure(self, pictures: Sequence[Picture]) -> list[Likelihood]:
        found: dict[int, Likelihood] = {}
        for places in _by_size(pictures):
            x = self.pipeline.encode_all([pictures[place].image for place in places])
            how = {name: self.settings[name] for name in ("draws", "seed")}
            found |= zip(places, scores(self.pipeline.flow, x, self.condition, **how), strict=True)
        described = bool(self.settings["prompt"])
        return [self.pipeline.compared(found[place], described=described) for place in range(len(pictures))]

    def told(self, picture: Picture, result: Likelihood) -> dict[str, Any]:
        return {
            "log_prob": result.log_prob,
            "standard_error": result.standard_error if len(result.draws) > 1 else None,
            "bits_per_dim": result.bits_per_dim,
            **dict(zip(("width", "height"), picture.size, strict=True)),
            **dict(zip(("scored_width", "scored_height"), picture.image.size, strict=True)),
        }


class ConfidenceMeasure(_Given[Confidence]):
    """How sure a model is of pictures."""

    name = "confidence"
    values = (Column("confidence", float), Column("expected_error", float))

    def measure(self, pictures: Sequence[Picture]) -> list[Confidence]:
        how = {name: self.settings[name] for name in ("draws", "seed")}
        return [
            confidence(self.pipeline.flow, self.pipeline.encode_all([picture.image])[0], self.condition, **how)
            for picture in pictures
        ]

    def told(self, picture: Picture, result: Confidence) -> dict[str, Any]:
        return {"confidence": result.score, "expected_error": math.exp(-result.score)}


class MatchMeasure(Measure[Match]):
    """How well prompts explain pictures.

    Args:
        pipeline: the model.
        prompts: at least one.
        draws: number of noise draws to average over.
        seed: of the first draw.

    Raises:
        ValueError: the model takes no prompts, there is none, a class is unknown, or a number is out of range.
    """

    name = "match"

    def __init__(self, pipeline: Pipeline, prompts: Sequence[str], *, draws: int = 4, seed: int = 0) -> None:
        check_draws(draws)
        check_seed(seed)
        self.conditions = pipeline.matched_conditions(prompts)
        self.prompts = tuple(prompts)
        shown = tuple(in_table(prompt) for prompt in prompts)
        numbers = [Column(name, float, True, shown) for name in ("scores", "standard_errors", "posterior")]
        self.values = (Column("best", str), *numbers)
        self.asked = (Column("prompts", str, is_list=True), Column("draws", int), Column("seed", int))
        super().__init__(pipeline, {"prompts": list(shown), "draws": draws, "seed": seed})

    @property
    def at_once(self) -> int:
        likelihoods = self.settings["draws"] * len(self.conditions)  # of a picture
        return max(1, at_once(_grid(self.pipeline), 10_000 * likelihoods) // likelihoods)

    def measure(self, pictures: Sequence[Picture]) -> list[Match]:
        found: dict[int, Match] = {}
        for places in _by_size(pictures):
            x = self.pipeline.encode_all([pictures[place].image for place in places])
            how = {name: self.settings[name] for name in ("draws", "seed")}
            weight = self.pipeline.prompt_weight
            matches = match(self.pipeline.flow, x, self.prompts, self.conditions, weight=weight, **how)
            found |= zip(places, matches, strict=True)
        return [found[place] for place in range(len(pictures))]

    def told(self, picture: Picture, result: Match) -> dict[str, Any]:
        return {
            "best": in_table(result.best),
            "scores": result.scores.tolist(),
            "standard_errors": [None if error != error else error for error in result.standard_errors.tolist()],
            "posterior": result.posterior.tolist(),
        }


class AnomalyMeasure(Measure[Oddity]):
    """How odd pictures are.

    Args:
        scorer: fitted on normal pictures.
    """

    name = "anomaly score"
    values = (Column("score", float), Column("p_value", float), Column("is_odd", bool))
    asked = (
        *(Column("scorer", str), Column("prompt", str), Column("draws", int), Column("seed", int)),
        *(Column("tiled", bool), Column("false_positive_rate", float)),
    )

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        super().__init__(scorer.pipeline, {"scorer": _numbers_of(scorer), **asdict(scorer.settings)})

    @property
    def at_once(self) -> int:
        if self.scorer.settings.tiled:
            return 1  # the tiles of one large picture are many
        return tiles_at_once(self.pipeline.flow, 10_000, self.scorer.settings.draws)

    def fitted(self, image: Image.Image) -> Picture:
        tiles = Tiles.of(image, self.pipeline.trained_side, scaled=not self.scorer.settings.tiled)
        return Picture(tiles.image, image.size, is_cut=False)

    def measure(self, pictures: Sequence[Picture]) -> list[Oddity]:
        return self.scorer.score_all([picture.image for picture in pictures])

    def told(self, picture: Picture, result: Oddity) -> dict[str, Any]:
        return {"score": result.score, "p_value": result.p_value, "is_odd": result.is_odd}

    def for_workers(self) -> Self:
        copied = super().for_workers()
        copied.scorer = copy.copy(self.scorer)
        copied.scorer.pipeline = copied.pipeline
        if isinstance(copied.scorer, LikelihoodRatio):
            copied.scorer.broader = without_text(copied.scorer.broader)
        return copied

    def to(self, device: str) -> None:
        super().to(device)
        if isinstance(self.scorer, LikelihoodRatio):
            move(self.scorer.broader, device)


def _grid(pipeline: Pipeline) -> tuple[int, int]:
    """The token grid (H', W') of pictures of the trained size; others have about as many tokens."""
    side = pipeline.flow.config.trained_side
    return side, side


def _by_size(pictures: Sequence[Picture]) -> list[list[int]]:
    """The places of pictures of the same size, which can be measured together."""
    places: dict[tuple[int, int], list[int]] = {}
    for place, picture in enumerate(pictures):
        places.setdefault(picture.image.size, []).append(place)
    return list(places.values())


def _numbers_of(scorer: Scorer) -> str:
    """Eight hexadecimal digits that identify what a scorer has learnt."""
    digest = hashlib.blake2b(digest_size=4)
    normal = [] if isinstance(scorer, LikelihoodRatio) else [*scorer.evidence.tensors().values()]
    for tensor in (*normal, scorer.places, scorer.calibration):
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
