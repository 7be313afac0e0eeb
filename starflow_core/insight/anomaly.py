"""Odd ones out: fitted on normal pictures, it says how odd others are, where, and how rare that is."""

from __future__ import annotations

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
from safetensors.torch import save_file
from torch import Tensor

from ..flow.noise import SEEDS, check_seed
from ..images import AnyImage, as_rgb, to_tensor
from ..progress import OnProgress
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
LARGE = 1.5  # times the model's size: such pictures are looked at tile by tile
MOST = 1e6  # of scores
FORMAT = "starflow-anomaly-1"


@dataclass(frozen=True)
class Settings:
    """How pictures are looked at, when fitting as when scoring.

    Attributes:
        prompt: what all pictures show; "" for anything.
        draws: noise draws that are averaged over.
        seed: of the first draw; draw i is that of seed + i.
        tiled: look at pictures at their own resolution, tile by tile; otherwise they are scaled to the model's size.
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
        score: larger is odder: the distance of its noise's statistics from those of normal pictures, of its oddest
            tile, in standard deviations (Mahalanobis); at most a million, which stands for numbers that overflow.
        p_value: the share of normal pictures that are at least as odd, (1 + k)/(1 + n) for k of n pictures that the
            scorer was not fitted on.
        is_odd: whether the p-value is at most the false-positive rate.
        map: (h, w), by how many standard deviations the noise of each place is larger than in normal pictures; of the
            whole picture.
    """

    score: float
    p_value: float
    is_odd: bool
    map: Tensor


class _Seen(NamedTuple):
    """What is computed of a picture's N tiles: statistics (N, F) of their noise, and its mean squares (N, h, w)."""

    statistics: Tensor
    squares: Tensor


class Anomaly:
    """A scorer of pictures that was fitted on normal ones; `fit` or `load` makes it.

    A flow maps what it has learnt to Gaussian noise; the noise of an odd picture has other statistics. This finds
    simple pictures too, which are likelier than normal ones and still odd (arXiv 1810.09136).

    Args:
        pipeline: the model.
        settings: how pictures are looked at.
        condition: of the settings' prompt, as the flow takes it.
        normal: the noise's statistics of normal tiles.
        places: (2, h, w), mean and standard deviation of the mean square of each place's noise, of normal tiles.
        calibration: (n,), ascending: scores of normal pictures, each by a fit on others.
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
        """A scorer fitted on normal pictures.

        Args:
            pipeline: the model.
            images: normal pictures, or a folder of them; 8 at least, and some hundreds are better.
            prompt, draws, seed, false_positive_rate: see `Settings`.
            tiled: see `Settings`; by default, whether most pictures are much larger than the model's.
            failed: called with what is wrong with a picture that is left out; it warns by default.
            on_progress: called with the pictures done, of all; an exception that it raises ends the work.

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
        """How odd a picture is.

        Raises:
            ValueError: it cannot be read.
        """
        tiles = _tiles(self.pipeline, image, self.settings)
        seen = _seen(self.pipeline, tiles, self.settings, self.condition)
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
            OSError: it cannot be written.
        """
        tensors = {
            **{name: getattr(self.normal, name) for name in ("mean", "scale", "whitening")},
            **{"places": self.places, "calibration": self.calibration},
        }
        told = {"format": FORMAT, "model": self.pipeline.name, "weights": fingerprint(self.pipeline.flow)}
        part = Path(file).with_name(f"{Path(file).name}.part")
        try:
            save_file(tensors, part, {**told, "settings": json.dumps(asdict(self.settings))})
            os.replace(part, file)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, file: os.PathLike[str] | str, pipeline: Pipeline) -> Anomaly:
        """A scorer from its file.

        Raises:
            ValueError: it is no such file, or was fitted with another model or other weights.
        """
        told, tensors = _read(Path(file))
        if (told["model"], told["weights"]) != (pipeline.name, fingerprint(pipeline.flow)):
            raise ValueError(
                f"{file} was fitted with the model {told['model']!r} of weights {told['weights']}; load that one, "
                f"or fit it again with {pipeline.name!r}."
            )
        normal = Gaussian(tensors["mean"], tensors["scale"], tensors["whitening"])
        settings = Settings(**json.loads(told["settings"]))
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
    F = tensors["mean"].numel() if "mean" in tensors else 0
    shapes = {"mean": (F,), "scale": (F,), "whitening": (F, F)}
    fits = all(name in tensors and tuple(tensors[name].shape) == shape for name, shape in shapes.items())
    if told.get("format") != FORMAT or not fits or not {"model", "weights", "settings"} <= told.keys():
        raise ValueError(f"{file} is no file of a scorer that this version reads; fit it again.")
    return told, tensors


def _are_large(images: Sequence[AnyImage], side: int) -> bool:
    """Whether most of the first pictures are much larger than a model's."""
    return statistics.median([_shorter_side(image) for image in images[:16]] or [0]) >= LARGE * side


def _shorter_side(image: AnyImage) -> int:
    """In pixels; 0 for what cannot be read, which is told when it is its turn."""
    try:
        return min(as_rgb(image).size)
    except ValueError:
        return 0


def _tiles(pipeline: Pipeline, image: AnyImage, settings: Settings) -> Tiles:
    return Tiles.of(as_rgb(image), pipeline.trained_side, scaled=not settings.tiled)


@torch.no_grad()
def _seen(pipeline: Pipeline, tiles: Tiles, settings: Settings, condition: Tensor | None) -> _Seen:
    """What the flow makes of a picture's tiles, a few at a time, averaged over the draws."""
    flow, patch = pipeline.flow, pipeline.flow.config.patch_size
    side = flow.config.trained_side
    some = max(1, at_once((side, side), len(tiles) * settings.draws) // settings.draws)
    pictures = list(tiles)
    found: list[tuple[Tensor, Tensor]] = []
    for first in range(0, len(pictures), some):
        pixels = torch.stack([to_tensor(tile) for tile in pictures[first : first + some]])
        x = (pixels if pipeline.autoencoder is None else pipeline.autoencoder.encode(pixels)).to(flow.device)
        noised = torch.cat([with_training_noise(flow, one, settings.seed % SEEDS, settings.draws) for one in x])
        given = None if condition is None else condition.expand(len(noised), *condition.shape[1:])
        z = flow(noised, given).z.cpu()
        by_draw = (noise_statistics(z, patch), mean_squares(z.double(), patch))
        found.append(tuple(one.unflatten(0, (len(x), settings.draws)).mean(1) for one in by_draw))
    return _Seen(*(torch.cat(one) for one in zip(*found, strict=True)))


def _all_normal(
    pipeline: Pipeline,
    images: Sequence[AnyImage],
    settings: Settings,
    condition: Tensor | None,
    failed: Callable[[str], None],
    on_progress: OnProgress,
) -> list[_Seen]:
    """What the flow makes of normal pictures; `failed` is called with what is wrong with those that are left out.

    Raises:
        ValueError: too few are left.
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
    """What the flow makes of a normal picture.

    Raises:
        ValueError: it cannot be read, or is so odd that numbers overflow.
    """
    seen = _seen(pipeline, _tiles(pipeline, image, settings), settings, condition)
    if not seen.statistics.isfinite().all():
        named = image if isinstance(image, (str, os.PathLike)) else "A picture"
        raise ValueError(f"{named} is too unlike those that the model knows to count as normal: its noise overflows.")
    return seen


def _fitted(seen: Sequence[_Seen]) -> Gaussian:
    return Gaussian.fit(torch.cat([one.statistics for one in seen]))


def _left_out(seen: Sequence[_Seen], fold: int) -> Tensor:
    """Scores of the pictures of a fold by a fit on all others."""
    normal = _fitted([one for place, one in enumerate(seen) if place % FOLDS != fold])
    return torch.stack([normal.distance(one.statistics).max() for one in seen[fold::FOLDS]])
