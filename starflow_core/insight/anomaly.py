"""Anomaly detection: a scorer fitted on normal pictures says how odd others are, where, and how rare that is."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..flow.flow import Flow
from ..flow.noise import SEEDS, check_seed
from ..images import AnyImage, as_rgb
from ..progress import OnProgress
from ..weights.model_folder import model_folder
from ..weights.tensors import save_tensors
from .evaluation import fingerprint, pictures_in
from .gaussian import Gaussian
from .likelihood import with_training_noise
from .noise_statistics import mean_squares, noise_statistics
from .scoring import at_once
from .tiles import Tiles

if TYPE_CHECKING:
    from ..pipeline import Pipeline

LEAST_PICTURES = 8
FOLDS = 5
LARGE = 1.5  # times the model's size; pictures from this size on are scored tile by tile
MOST = 1e6  # the largest score
FORMAT = "starflow-anomaly-2"


@dataclass(frozen=True)
class Settings:
    """How pictures are scored; the settings are the same for fitting and for scoring.

    Attributes:
        prompt: what all pictures show; "" for anything.
        draws: the number of noise draws to average over.
        seed: the seed of the first draw; draw i has seed + i.
        tiled: whether pictures keep their resolution and are scored tile by tile; otherwise they are scaled to the
            model's size.
        false_positive_rate: share of normal pictures that may be called odd.

    Raises:
        ValueError: a value is out of range.
    """

    prompt: str = ""
    draws: int = 2
    seed: int = 0
    tiled: bool = False
    false_positive_rate: float = 0.05

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if type(self.draws) is not int or not 1 <= self.draws <= 256:
            raise ValueError(f"draws is {self.draws!r}; it must be a whole number from 1 to 256.")
        if not 0 < self.false_positive_rate < 1:
            raise ValueError(f"false_positive_rate is {self.false_positive_rate!r}; it must be between 0 and 1.")


@dataclass(frozen=True)
class Oddity:
    """How odd a picture is.

    Attributes:
        score: the Mahalanobis distance of the oddest tile from normal ones, in standard deviations: of the statistics
            of its noise, and of what the flow's last block makes of it. Larger is odder. It is at most a million,
            which stands for numbers that overflow.
        p_value: the share of normal pictures that are at least as odd, estimated as (1 + k)/(1 + n): of n normal
            pictures, each scored by a fit on others, k are at least as odd.
        is_odd: whether the p-value is at most the false-positive rate.
        map: (h, w), of the whole picture: by how many standard deviations the mean square of each place's noise is
            larger than in normal pictures.
    """

    score: float
    p_value: float
    is_odd: bool
    map: Tensor


class _Seen(NamedTuple):
    """Results for the N tiles of a picture: statistics (N, F), and mean squares (N, h, w) of their noise."""

    statistics: Tensor
    squares: Tensor


class Anomaly:
    """A scorer of pictures that was fitted on normal ones; `fit` or `load` makes it.

    A flow maps what it has learnt to Gaussian noise; the noise of an odd picture has other statistics. So the scorer
    also finds simple pictures, which are odd although they are likelier than normal ones (arXiv 1810.09136). The hidden
    states of the flow's last block add what a picture shows (as in arXiv 1807.03888).

    Args:
        pipeline: the model.
        settings: how pictures are scored.
        condition: the flow's condition for the prompt of the settings.
        normal: the Gaussian fitted to the statistics of normal tiles.
        places: (2, h, w), mean and standard deviation, over normal tiles, of the mean square of each place's noise.
        calibration: (n,), ascending: the scores of normal pictures, each by a fit on others.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        settings: Settings,
        condition: Tensor | None,
        normal: Gaussian,
        places: Tensor,
        calibration: Tensor,
    ) -> None:
        self.pipeline, self.settings, self.condition = pipeline, settings, condition
        self.normal, self.places, self.calibration = normal, places, calibration

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
            failed: called with an error message for each picture that is left out; it warns by default.
            on_progress: called with the numbers of finished and of all pictures; an exception that it raises ends the
                work.

        Raises:
            ValueError: there are too few pictures, all are alike, or a setting is out of range.
        """
        given = pictures_in(Path(images)) if isinstance(images, (str, os.PathLike)) else list(images)
        settings = Settings(prompt, draws, seed, bool(tiled), false_positive_rate)
        condition = pipeline.scored_condition(prompt or None)
        if tiled is None:
            settings = replace(settings, tiled=_are_large(given, pipeline.trained_side))
        seen = _all_normal(pipeline, given, settings, condition, failed, on_progress)
        squares = torch.cat([one.squares for one in seen])
        if not squares.std(0).max() > 0:
            raise ValueError("All of these pictures are the same; give different ones, to show how normal ones differ.")
        places = torch.stack([squares.mean(0), squares.std(0).clamp(min=1e-6)])
        calibration = torch.cat([_left_out(seen, fold) for fold in range(FOLDS)])
        return cls(pipeline, settings, condition, _fitted(seen), places, calibration.sort().values)

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
        tiles = [_tiles(self.pipeline, image, self.settings) for image in images]
        seen = _seen_together(self.pipeline, tiles, self.settings, self.condition)
        return [self._oddity(*one) for one in zip(tiles, seen, strict=True)]

    def _oddity(self, tiles: Tiles, seen: _Seen) -> Oddity:
        """How odd a picture is whose tiles have been seen."""
        score = float(self.normal.distance(seen.statistics).nan_to_num(MOST, MOST).clamp(max=MOST).max())
        odder = len(self.calibration) - int(torch.searchsorted(self.calibration, score))
        p_value = (1 + odder) / (1 + len(self.calibration))
        above = ((seen.squares - self.places[0]) / self.places[1]).nan_to_num(MOST, MOST).clamp(max=MOST)
        return Oddity(score, p_value, p_value <= self.settings.false_positive_rate, tiles.joined(list(above.float())))

    def predict(self, image: AnyImage) -> bool:
        """Whether a picture is odd, at the false-positive rate of the settings; raises as `score`."""
        return self.score(image).is_odd

    def save(self, file: os.PathLike[str] | str) -> None:
        """Write the scorer, without the model, to a safetensors file.

        Raises:
            OSError: the file cannot be written.
        """
        tensors = {
            **{name: getattr(self.normal, name) for name in ("mean", "scale", "whitening")},
            **{"places": self.places, "calibration": self.calibration},
        }
        told = {"format": FORMAT, "model": self.pipeline.name, "weights": fingerprint(self.pipeline.flow)}
        save_tensors(tensors, Path(file), {**told, "settings": json.dumps(asdict(self.settings))})

    @staticmethod
    def model_of(file: os.PathLike[str] | str) -> str:
        """The name of the model that the scorer in a file was fitted with.

        Raises:
            ValueError: the file is not one of a scorer, or no model here has this name.
        """
        name = _read(Path(file))[0]["model"]
        try:
            model_folder(name)
        except ValueError:
            raise ValueError(
                f"{file} was fitted with the model {name!r}, and none of this name is here; say which folder it is in."
            ) from None
        return name

    @classmethod
    def load(cls, file: os.PathLike[str] | str, pipeline: Pipeline) -> Anomaly:
        """Load a scorer from its file.

        Raises:
            ValueError: the file is not one of a scorer, or was fitted with another model or other weights.
        """
        told, tensors = _read(Path(file))
        if (told["model"], told["weights"]) != (pipeline.name, fingerprint(pipeline.flow)):
            raise ValueError(
                f"{file} was fitted with the model {told['model']!r} of weights {told['weights']}; load that one, "
                f"or fit it again with {pipeline.name!r}."
            )
        if not _fits(tensors, pipeline):
            raise ValueError(f"{file} is damaged: its numbers are not those of a scorer; fit it again.")
        normal = Gaussian(tensors["mean"], tensors["scale"], tensors["whitening"])
        try:
            settings = Settings(**json.loads(told["settings"]))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{file} is damaged: its settings are none ({error}); fit it again.") from None
        condition = pipeline.scored_condition(settings.prompt or None)
        return cls(pipeline, settings, condition, normal, tensors["places"], tensors["calibration"])


def _read(file: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The texts and the tensors of a scorer's file.

    Raises:
        ValueError: it is no such file.
    """
    try:
        with safe_open(file, "pt") as opened:
            told = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise ValueError(f"There is no file {file}.") from None
    except (SafetensorError, OSError):
        raise ValueError(f"{file} is no file of a scorer, or it is damaged; fit it again.") from None
    if told.get("format") != FORMAT or not {"model", "weights", "settings"} <= told.keys():
        raise ValueError(f"{file} is no file of a scorer that this version reads; fit it again.")
    return told, tensors


def _fits(tensors: dict[str, Tensor], pipeline: Pipeline) -> bool:
    """Whether the tensors of a file have the shapes that this model gives, and hold numbers."""
    config = pipeline.flow.config
    side, width = config.trained_side, config.block(config.num_blocks - 1).width
    F = 4 * config.in_channels + side**2 + 1 + width
    shapes = {"mean": (F,), "scale": (F,), "whitening": (F, F), "places": (2, side, side)}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items() if name != "calibration"}
    scores = tensors.get("calibration", torch.zeros(0))
    is_whole = found == shapes and scores.ndim == 1 and len(scores) >= LEAST_PICTURES
    return is_whole and not any(tensor.isnan().any() for tensor in tensors.values())


def _are_large(images: Sequence[AnyImage], side: int) -> bool:
    """Whether most of the first pictures are much larger than the pictures of the model."""
    return statistics.median([_shorter_side(image) for image in images[:16]] or [0]) >= LARGE * side


def _shorter_side(image: AnyImage) -> int:
    """Return the shorter side, in pixels; 0 for a picture that cannot be read, which is reported later."""
    try:
        return min(as_rgb(image).size)
    except ValueError:
        return 0


def _tiles(pipeline: Pipeline, image: AnyImage, settings: Settings) -> Tiles:
    return Tiles.of(as_rgb(image), pipeline.trained_side, scaled=not settings.tiled)


def _seen(pipeline: Pipeline, tiles: Tiles, settings: Settings, condition: Tensor | None) -> _Seen:
    """Run the flow on a picture's tiles."""
    return _seen_together(pipeline, [tiles], settings, condition)[0]


@torch.no_grad()
def _seen_together(
    pipeline: Pipeline, tiles: Sequence[Tiles], settings: Settings, condition: Tensor | None
) -> list[_Seen]:
    """Run the flow on the tiles of pictures, a few at a time; average the results over the noise draws."""
    flow, patch = pipeline.flow, pipeline.flow.config.patch_size
    counts = [len(one) for one in tiles]
    some = tiles_at_once(flow, sum(counts), settings.draws)
    squares = itertools.chain.from_iterable(tiles)
    found: list[tuple[Tensor, Tensor]] = []
    while part := list(itertools.islice(squares, some)):
        x = pipeline.encode_all(part)
        noised = torch.cat([with_training_noise(flow, one, settings.seed % SEEDS, settings.draws) for one in x])
        given = None if condition is None else condition.expand(len(noised), *condition.shape[1:])
        states: list[Tensor] = []
        z = flow(noised, given, states=states).z.cpu()
        by_draw = (torch.cat([noise_statistics(z, patch), content(states)], 1), mean_squares(z.double(), patch))
        found.append(tuple(one.unflatten(0, (len(x), settings.draws)).mean(1) for one in by_draw))
    by_picture = (torch.cat(one).split(counts) for one in zip(*found, strict=True))
    return [_Seen(*one) for one in zip(*by_picture, strict=True)]


def content(states: Sequence[Tensor]) -> Tensor:
    """What each datum shows, to the flow, (B, width) float64: the mean hidden state of its last block's middle layer.

    The last layer's serve the prediction of the next token, and tell less.
    """
    return states[(len(states) - 1) // 2].mean(1).double().cpu()


def tiles_at_once(flow: Flow, number: int, draws: int) -> int:
    """How many of `number` tiles the flow takes together, each with some noise draws."""
    side = flow.config.trained_side
    return max(1, at_once((side, side), number * draws) // draws)


def _all_normal(
    pipeline: Pipeline,
    images: Sequence[AnyImage],
    settings: Settings,
    condition: Tensor | None,
    failed: Callable[[str], None],
    on_progress: OnProgress,
) -> list[_Seen]:
    """Run the flow on normal pictures; call `failed` with an error message for each picture that is left out.

    Raises:
        ValueError: too few pictures are left.
    """
    seen: list[_Seen] = []
    for place, image in enumerate(images):
        try:
            seen.append(_normal(pipeline, image, settings, condition))
        except ValueError as error:
            failed(str(error))
        on_progress(place + 1, len(images))
    if len(seen) < LEAST_PICTURES:
        count = f"{len(seen)} picture{'s' * (len(seen) != 1)}"
        raise ValueError(f"{count} cannot show what is normal; give {LEAST_PICTURES} at least, better some hundreds.")
    return seen


def _normal(pipeline: Pipeline, image: AnyImage, settings: Settings, condition: Tensor | None) -> _Seen:
    """Run the flow on a normal picture.

    Raises:
        ValueError: the picture cannot be read, or is so odd that numbers overflow.
    """
    seen = _seen(pipeline, _tiles(pipeline, image, settings), settings, condition)
    if not seen.statistics.isfinite().all():
        named = image if isinstance(image, (str, os.PathLike)) else "A picture"
        raise ValueError(f"{named} is too unlike those that the model knows to count as normal: its noise overflows.")
    return seen


def _fitted(seen: Sequence[_Seen]) -> Gaussian:
    return Gaussian.fit(torch.cat([one.statistics for one in seen]))


def _left_out(seen: Sequence[_Seen], fold: int) -> Tensor:
    """Score the pictures of a fold by a fit on all other pictures."""
    normal = _fitted([one for place, one in enumerate(seen) if place % FOLDS != fold])
    return torch.stack([normal.distance(one.statistics).max() for one in seen[fold::FOLDS]])
