"""Held-out pictures with their captions, as a flow sees them, and curves of measurements with their intervals."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from recipes.data import Data
from recipes.pictures.colours import dominant_hue
from starflow_core.codecs.prompt_warning import PromptWarning
from starflow_core.insight.evaluation import mean_and_error
from starflow_core.insight.scoring import log_probs
from starflow_core.pipeline import Pipeline

QUANTILE = 1.96  # of the normal distribution, for 95 %
DRAWS = 2  # of noise, for a likelihood
DOCS = Path("docs/editing")


@dataclass(frozen=True)
class Sample:
    """N pictures with their data and noise.

    Attributes:
        pictures: as they are.
        prompts: their names, "" for a model without prompts.
        x, z: data and noise under the own prompt, (N, C, H, W).
        conditions: (N, …), of the prompts; None for a model without conditions.
        nothing: (1, …), of the empty prompt.
    """

    pictures: list[Image.Image]
    prompts: list[str]
    x: Tensor
    z: Tensor
    conditions: Tensor | None
    nothing: Tensor | None

    @classmethod
    def of(cls, pipeline: Pipeline, data: Data, places: Sequence[int]) -> Sample:
        pictures = [Image.fromarray(image) for image in data.images(np.asarray(places))]
        names = [row.name for row in data.rows(np.asarray(places))]
        return cls.given(pipeline, pictures, names if pipeline.text_encoder is not None else [""] * len(names))

    @classmethod
    @torch.no_grad()
    def given(cls, pipeline: Pipeline, pictures: list[Image.Image], prompts: list[str]) -> Sample:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PromptWarning)
            conditions, nothing = pipeline.condition(prompts), pipeline.condition([""])
        x = pipeline.encode_all(pictures)
        return cls(pictures, prompts, x, pipeline.flow(x, conditions).z, conditions, nothing)


def likelihood(pipeline: Pipeline, x: Tensor, nothing: Tensor | None, seed: int = 0) -> list[float]:
    """log p of each datum given nothing, in nats, with training noise."""
    found = log_probs(pipeline.flow, x, nothing, range(seed, seed + DRAWS)).log_prob[:, 0]
    return [float(value) for value in found]


def match(pipeline: Pipeline, x: Tensor, conditions: Tensor, nothing: Tensor) -> list[float]:
    """log p given its own prompt less log p given nothing, of each datum, in nats."""
    found = []
    for one, condition in zip(x, conditions, strict=True):
        both = log_probs(pipeline.flow, one[None], torch.cat([nothing, condition[None]]), range(DRAWS)).log_prob[0]
        found.append(float(both[1] - both[0]))
    return found


@dataclass(frozen=True)
class Mean:
    """A mean with the half width of its 95 % confidence interval."""

    value: float
    half_width: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        mean, error = mean_and_error(values)
        return cls(mean, QUANTILE * error)

    def __str__(self) -> str:
        digits = 2 if abs(self.value) < 10 else 1 if abs(self.value) < 100 else 0
        half = "" if math.isnan(self.half_width) else f" ± {self.half_width:.{digits}f}"
        return f"{self.value:.{digits}f}{half}"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Markdown."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def curve(axes: Any, across: Sequence[float], means: Sequence[Mean], label: str) -> None:
    """Draw a curve with its interval as a band."""
    values = [mean.value for mean in means]
    (line,) = axes.plot(across, values, label=label)
    low, high = ([mean.value + sign * mean.half_width for mean in means] for sign in (-1, 1))
    axes.fill_between(across, low, high, alpha=0.2, color=line.get_color(), linewidth=0)


def sheet(rows: Sequence[Sequence[Image.Image]], side: int, gap: int = 2) -> Image.Image:
    """Rows of pictures as one, each `side` pixels wide and high."""
    found = Image.new("RGB", (max(map(len, rows)) * (side + gap) - gap, len(rows) * (side + gap) - gap), "white")
    for i, row in enumerate(rows):
        for j, one in enumerate(row):
            found.paste(one.resize((side, side), Image.Resampling.LANCZOS), (j * (side + gap), i * (side + gap)))
    return found


def one_hued(data: Data, places: Sequence[int], number: int) -> list[tuple[str, Image.Image]]:
    """Names and pictures of the first of some places whose pictures have one hue."""
    found = []
    for place in places:
        where = np.asarray([place])
        picture = data.images(where)[0]
        opaque = np.dstack([picture, np.where((picture < 235).any(-1), 255, 0).astype(np.uint8)])
        if dominant_hue(opaque) is not None:
            found.append((data.rows(where)[0].name, Image.fromarray(picture)))
        if len(found) == number:
            break
    return found


def drawn(pipeline: Pipeline, names: Sequence[str]) -> Sample:
    """Pictures that the model draws of some names; each of seed 1."""
    return Sample.given(pipeline, pipeline.generate(list(names), seed=1), list(names))
