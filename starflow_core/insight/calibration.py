"""Whether a flow's noise is the Gaussian that it takes it for: of a set of pictures, by place and after each block."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..flow.noise import SEEDS, check_seed
from ..images import AnyImage, as_rgb
from ..pipeline import Pipeline, check_draws
from ..progress import OnProgress
from .evaluation import pictures_in
from .likelihood import with_training_noise

LEVELS = (0.5, 0.9, 0.99)  # shares of a Gaussian that intervals around its mean hold
PLOTTED = 199  # quantiles, those of 1/200 to 199/200


@dataclass(frozen=True)
class Fit:
    """How well numbers fit a standard Gaussian, with the value of a perfect fit.

    Attributes:
        count: of the numbers.
        mean: 0.
        deviation: 1.
        kurtosis: excess kurtosis, 0; above it, outliers are more frequent than a Gaussian's.
        distance: of Kolmogorov and Smirnov, the largest difference of the two distribution functions: 0. Of n
            independent Gaussian numbers it is about 0.9/√n.
        coverage: the share of numbers in the central interval that holds each of `LEVELS` of a Gaussian.
    """

    count: int
    mean: float
    deviation: float
    kurtosis: float
    distance: float
    coverage: tuple[float, ...]

    @classmethod
    def of(cls, values: Tensor) -> Fit:
        """The fit of numbers, of any shape.

        Raises:
            ValueError: there are fewer than two.
        """
        values = values.detach().double().cpu().flatten()
        if len(values) < 2:
            raise ValueError(f"{len(values)} numbers have no distribution; give two at least.")
        mean, deviation = float(values.mean()), float(values.std(correction=0))
        fourth = float((values - mean).pow(4).mean())
        kurtosis = fourth / deviation**4 - 3 if deviation else math.nan
        inside = tuple(float((values.abs() <= half_width(level)).double().mean()) for level in LEVELS)
        return cls(len(values), mean, deviation, kurtosis, float(distances(values[:, None])[0]), inside)


@dataclass(frozen=True)
class Calibration:
    """The noise that a flow maps pictures to, beside the standard Gaussian that it takes it for.

    Attributes:
        whole: the fit of all numbers of the noise.
        by_block: the fit of the tokens after each block, from data to noise; the last is that of the noise. Only this
            one is trained to be Gaussian.
        distance: (H/p, W/p), the Kolmogorov–Smirnov distance of each place's numbers.
        mean_square: (H/p, W/p), of each place's numbers; 1 in a perfect fit. Above it, the model is surer of the place
            than it should be.
        quantiles: (199,), of the noise, at 1/200 to 199/200; beside those of a Gaussian, `gaussian_quantiles()`, they
            make a Q–Q plot.
        pictures: their number.
    """

    whole: Fit
    by_block: tuple[Fit, ...]
    distance: Tensor
    mean_square: Tensor
    quantiles: Tensor
    pictures: int

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        pipeline: Pipeline,
        images: os.PathLike[str] | str | Sequence[AnyImage],
        *,
        prompt: str | None = None,
        draws: int = 1,
        seed: int = 0,
        failed: Callable[[str], None] = warnings.warn,
        on_progress: OnProgress = lambda done, total: None,
    ) -> Calibration:
        """Compare the noise of pictures with a Gaussian. Each picture is scaled to the model's square.

        Args:
            pipeline: the model.
            images: pictures, or a folder of them; some hundreds are best.
            prompt: what all of them show; None for nothing in particular.
            draws: noise draws of each picture.
            seed: of the first draw of each picture; draw i is that of seed + i.
            failed: called with an error message for each picture that is left out; it warns by default.
            on_progress: called with the numbers of finished and of all pictures; an exception that it raises ends the
                work.

        Raises:
            ValueError: no picture can be read, or an argument is out of range.
        """
        check_draws(draws)
        check_seed(seed)
        given = pictures_in(Path(images)) if isinstance(images, (str, os.PathLike)) else list(images)
        condition = pipeline.scored_condition(prompt)
        tokens: list[Tensor] = []  # of each picture, (blocks, K, T, D)
        for place, image in enumerate(given):
            try:
                tokens.append(_tokens(pipeline, image, condition, draws, (seed + place * draws) % SEEDS))
            except ValueError as error:
                failed(str(error))
            on_progress(place + 1, len(given))
        if not tokens:
            raise ValueError("None of the pictures could be measured; give others.")
        found = torch.stack(tokens, 1)  # (blocks, N, K, T, D)
        side = pipeline.flow.config.trained_side
        by_place = found[-1].movedim(2, 0).flatten(1).T  # (N·K·D, T)
        return cls(
            Fit.of(found[-1]),
            tuple(Fit.of(one) for one in found),
            distances(by_place).float().unflatten(0, (side, side)),
            by_place.square().mean(0).unflatten(0, (side, side)),
            _quantiles(found[-1].flatten()),
            len(tokens),
        )


def half_width(level: float) -> float:
    """Half of the central interval that holds a share of a standard Gaussian."""
    return float(torch.special.ndtri(torch.tensor(0.5 + level / 2, dtype=torch.float64)))


def gaussian_quantiles() -> Tensor:
    """The quantiles (199,) of a standard Gaussian beside which `Calibration.quantiles` are plotted."""
    return torch.special.ndtri(_shares()).float()


def distances(values: Tensor) -> Tensor:
    """The Kolmogorov–Smirnov distances (m,) of numbers (n, m) from a standard Gaussian, column by column."""
    ordered = torch.special.ndtr(values.double().sort(0).values)
    steps = torch.arange(len(values) + 1, dtype=torch.float64)[:, None] / len(values)
    return torch.maximum((steps[1:] - ordered).amax(0), (ordered - steps[:-1]).amax(0))


def _tokens(pipeline: Pipeline, image: AnyImage, condition: Tensor | None, draws: int, seed: int) -> Tensor:
    """The tokens of a picture after each block (blocks, K, T, D), the last divided by the prior's deviation.

    Raises:
        ValueError: the picture cannot be read, or overflows.
    """
    flow, side = pipeline.flow, pipeline.trained_side
    x = pipeline.encode(as_rgb(image), size=side)[0]
    given = None if condition is None else condition.expand(draws, *condition.shape[1:])
    found = [output.tokens for output in flow.transform(with_training_noise(flow, x, seed, draws), given)]
    found[-1] = found[-1] / flow.prior_std
    tokens = torch.stack(found).cpu()
    if not tokens.isfinite().all():
        named = image if isinstance(image, (str, os.PathLike)) else "A picture"
        raise ValueError(f"{named} is too unlike those that the model knows: its noise overflows.")
    return tokens


def _shares() -> Tensor:
    return torch.arange(1, PLOTTED + 1, dtype=torch.float64) / (PLOTTED + 1)


def _quantiles(values: Tensor) -> Tensor:
    """Of any number of values; `torch.quantile` takes 16 million at most."""
    ordered = values.double().sort().values
    places = (_shares() * (len(ordered) - 1)).round().long()
    return ordered[places].float()
