"""Anomaly detection: a scorer fitted on normal pictures says how odd others are, where, and how rare that is."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..images import AnyImage
from ..progress import OnProgress
from . import scorer_file
from .evidence import Evidence
from .inspection import Inspection
from .looking import CONTENT, KINDS, Seen, lengths, seen_together
from .oddity import Oddity, Settings, are_large, checked_finite, given_pictures, seen_normal, spread_by_place, tiles_of
from .scorer_file import FORMAT
from .tiles import Tiles

if TYPE_CHECKING:
    from ..pipeline import Pipeline


class Anomaly:
    """A scorer of pictures that was fitted on normal ones; `fit` or `load` makes it.

    A likelihood alone misleads: simple pictures are likelier than normal ones, and odd (arXiv 1810.09136). So five
    kinds of evidence are weighed, each by the share of normal pictures that are as far off:

    - noise: a flow maps what it has learnt to Gaussian noise; that of an odd picture has other statistics;
    - noise and content: the same with the hidden states of the flow's last block, which tell what a picture shows (as
      in arXiv 1807.03888);
    - upright: log p of the picture minus log p of it upside down, which is unlike that of normal ones if the picture
      is turned, or is of a kind whose up and down matter more, or less;
    - colours and edges, and seams: of the pixels, without the flow.

    Of a picture that is looked at tile by tile, the score joins the oddest place, the oddest tile and the whole; see
    `Inspection`.

    Args:
        pipeline: the model.
        settings: how pictures are scored.
        condition: the flow's condition for the prompt of the settings.
        evidence: fitted to normal pictures; an `Inspection` where they are looked at tile by tile.
        places: (2, h, w), mean and standard deviation, over normal tiles, of the mean square of each place's noise.
        calibration: (n,), ascending: the scores of normal pictures that the fit has not seen.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        settings: Settings,
        condition: Tensor | None,
        evidence: Evidence | Inspection,
        places: Tensor,
        calibration: Tensor,
    ) -> None:
        self.pipeline, self.settings, self.condition = pipeline, settings, condition
        self.evidence, self.places, self.calibration = evidence, places, calibration

    @classmethod
    def fit(
        cls,
        pipeline: Pipeline,
        images: os.PathLike[str] | str | Sequence[AnyImage],
        *,
        prompt: str = "",
        draws: int = 2,
        seed: int = 0,
        tiled: bool | None = None,
        false_positive_rate: float = 0.05,
        calibrate: os.PathLike[str] | str | Sequence[AnyImage] | None = None,
        failed: Callable[[str], None] = warnings.warn,
        on_progress: OnProgress = lambda done, total: None,
    ) -> Anomaly:
        """Fit a scorer on normal pictures.

        Args:
            pipeline: the model.
            images: normal pictures, or a folder of them; 8 at least, and some hundreds are better.
            prompt: what all pictures show; "" for anything.
            draws: noise draws that are averaged over.
            seed: of the first draw; draw i is that of seed + i.
            tiled: see `Settings`; by default, whether most pictures are much larger than the model's.
            false_positive_rate: share of normal pictures that may be called odd.
            calibrate: other normal pictures, or a folder of them, that p-values are taken from: best of those that the
                model has not been trained on. By default, each of `images`, by a fit on others.
            failed: called with an error message for each picture that is left out; it warns by default.
            on_progress: called with the numbers of finished and of all pictures; an exception that it raises ends the
                work.

        Raises:
            ValueError: there are too few pictures, all are alike, or a setting is out of range.
        """
        given = given_pictures(images)
        settings = Settings(prompt, draws, seed, bool(tiled), false_positive_rate)
        condition = pipeline.scored_condition(prompt or None)
        if tiled is None:
            settings = replace(settings, tiled=are_large(given, pipeline.trained_side))

        def look(image: AnyImage) -> Seen:
            (seen,) = seen_together(pipeline, [tiles_of(pipeline, image, settings)], settings, condition)
            for vectors in seen.vectors.values():
                checked_finite(vectors, image)
            return seen

        others = [] if calibrate is None else given_pictures(calibrate)
        first, total = len(given), len(given) + len(others)
        seen = seen_normal(given, look, failed, lambda done, _: on_progress(done, total))
        unseen = None
        if calibrate is not None:
            unseen = seen_normal(others, look, failed, lambda done, _: on_progress(first + done, total))
        places = spread_by_place(torch.cat([one.squares for one in seen]))
        if settings.tiled:
            inspection, scores = Inspection.calibrated(seen, unseen)
            return cls(pipeline, settings, condition, inspection, places, scores.sort().values)
        counts = torch.tensor([len(one.squares) for one in seen])
        groups = torch.arange(len(seen)).repeat_interleave(counts)
        vectors = {name: torch.cat([one.vectors[name] for one in seen]) for name in KINDS}
        evidence, scores = Evidence.fit(vectors, groups)
        calibration = torch.stack([of_picture.max() for of_picture in scores.split(counts.tolist())])
        if unseen is not None:
            calibration = torch.stack([evidence.scores(one.vectors).max() for one in unseen])
        return cls(pipeline, settings, condition, evidence, places, calibration.sort().values)

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
        seen = seen_together(self.pipeline, tiles, self.settings, self.condition)
        return [self._oddity(*one) for one in zip(tiles, seen, strict=True)]

    def _oddity(self, tiles: Tiles, seen: Seen) -> Oddity:
        """How odd a picture is whose tiles have been seen."""
        if isinstance(self.evidence, Inspection):
            parts = self.evidence.parts(seen)
            above, score = self.evidence.oddness(seen), torch.tensor([max(parts.values())], dtype=torch.float64)
            return replace(Oddity.of(score, above, tiles, self.calibration, self.settings), parts=parts)
        above = (seen.squares - self.places[0]) / self.places[1]
        return Oddity.of(self.evidence.scores(seen.vectors), above, tiles, self.calibration, self.settings)

    def predict(self, image: AnyImage) -> bool:
        """Whether a picture is odd, at the false-positive rate of the settings; raises as `score`."""
        return self.score(image).is_odd

    def save(self, file: os.PathLike[str] | str) -> None:
        """Write the scorer, without the model, to a safetensors file.

        Raises:
            OSError: the file cannot be written.
        """
        tensors = self.evidence.tensors() | {"places": self.places, "calibration": self.calibration}
        scorer_file.write(Path(file), FORMAT, {"model": self.pipeline}, self.settings, tensors)

    @staticmethod
    def model_of(file: os.PathLike[str] | str) -> str:
        """The name of the model that the scorer in a file was fitted with.

        Raises:
            ValueError: the file is not one of a scorer, or no model here has this name.
        """
        return scorer_file.model_of(Path(file))

    @classmethod
    def load(cls, file: os.PathLike[str] | str, pipeline: Pipeline) -> Anomaly:
        """Load a scorer from its file.

        Raises:
            ValueError: the file is not one of a scorer, or was fitted with another model or other weights.
        """
        settings, tensors = scorer_file.read(Path(file), FORMAT, {"model": pipeline})
        scorer_file.check_tensors(Path(file), tensors, _shapes(pipeline, settings.tiled))
        places, calibration = tensors.pop("places"), tensors.pop("calibration")
        condition = pipeline.scored_condition(settings.prompt or None)
        evidence = (Inspection if settings.tiled else Evidence).of_tensors(tensors)
        return cls(pipeline, settings, condition, evidence, places, calibration)


def _shapes(pipeline: Pipeline, tiled: bool) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors that this model gives; −1 for any length."""
    side = pipeline.flow.config.trained_side
    shapes: dict[str, tuple[int, ...]] = {"places": (2, side, side)}
    if tiled:
        return shapes | Inspection.shapes(lengths(pipeline.flow)[CONTENT], side)
    for name, F in lengths(pipeline.flow).items():
        shapes |= {f"{name}.mean": (F,), f"{name}.scale": (F,), f"{name}.whitening": (F, F), f"{name}.distances": (-1,)}
    return shapes
