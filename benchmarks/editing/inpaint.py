"""How well holes are filled: errors, seams, likelihoods, the judge's verdict and time, beside simple fills."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from recipes.data import Data
from recipes.figures import Figure
from recipes.judge import Judge
from starflow_core.codecs.prompt_warning import PromptWarning
from starflow_core.editing.inpainting import Fill
from starflow_core.images import to_images, to_tensor
from starflow_core.insight.likelihood import score
from starflow_core.pipeline import Pipeline

from .holes import Holed, holed, simple_fills

PICTURES, GROWN, TRIED = 12, 24, 8
DRAWS = 4
OTHERS = 99  # names that the judge chooses among, beside the right one
BEST = 5  # of them that count as right, as in the figure that the judge's training prints
FOUR = "of four, the likeliest"
# What is compared in the table: settings of `Filling`.
METHODS: dict[str, dict[str, Any]] = {
    "plain iteration, ten rounds": {"rounds": 10, "steps": 0, "temperature": 1.0, "feather": 0},
    "`inpaint`, without the prompt": {},
}
# What the defaults were chosen among, on other pictures.
TRIALS: dict[str, dict[str, Any]] = {
    "10 rounds, T = 1": {"rounds": 10, "steps": 0, "temperature": 1.0},
    "3 rounds, T = 0.3": {"rounds": 3, "steps": 0, "temperature": 0.3},
    "12 steps, T = 0.3": {"rounds": 0, "steps": 12, "temperature": 0.3},
    "3 rounds, 12 steps, T = 0.3": {"rounds": 3, "steps": 12, "temperature": 0.3},
    "3 rounds, 12 steps, T = 1": {"rounds": 3, "steps": 12, "temperature": 1.0},
    "3 rounds, 12 steps, T = 0.1": {"rounds": 3, "steps": 12, "temperature": 0.1},
    "3 rounds, 12 steps, T = 0.3, guidance 1": {"rounds": 3, "steps": 12, "temperature": 0.3, "guidance": 1.0},
}


@dataclass(frozen=True)
class Measured:
    """Figures of one filled picture; attributes are as the columns say."""

    known_error: float
    psnr: float
    latent_error: float
    seam: float
    log_prob: float
    seconds: float
    found: bool | None


COLUMNS = {
    "known_error": "error at known pixels, levels",
    "psnr": "PSNR in the hole, dB",
    "latent_error": "error of the data in the hole",
    "seam": "seam",
    "log_prob": "log p, nats",
    "seconds": "time, s",
    "found": f"name among the judge's {BEST} best",
}


def report(pipeline: Pipeline, pictures: Data, places: np.ndarray, judge: Judge | None) -> None:
    """Print the table of the fills of held-out pictures, with 95 % confidence intervals."""
    chosen = list(holed(pipeline, pictures, places[:PICTURES]))
    measure = Measure(pipeline, judge, sorted({row.name for row in pictures.rows(pictures.trained)}))
    found: dict[str, list[Measured]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptWarning)
        for one in tqdm(chosen, desc="fills", disable=None, leave=False):
            for name, values in measure.all(one).items():
                found.setdefault(name, []).append(values)
    print(f"\nHoles of 4×4 tokens in {len(chosen)} held-out pictures, {pipeline.name}\n\n{table(found)}", flush=True)
    _print_gains(found)


def outpainting(pipeline: Pipeline, pictures: Data, places: np.ndarray) -> None:
    """Print how well the right quarter of held-out pictures is drawn, from the rest of them."""
    chosen = list(holed(pipeline, pictures, places[:GROWN], is_cut=True))
    measure = Measure(pipeline, None, [])
    found: dict[str, list[Measured]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptWarning)
        for one in tqdm(chosen, desc="grown", disable=None, leave=False):
            for name, fill in simple_fills(one).items():
                found.setdefault(name, []).append(measure.of(one, fill, 0.0))
            found.setdefault("`inpaint`", []).append(measure.filled(one, one.name))
            found.setdefault("the picture itself", []).append(measure.of(one, one.pixels, 0.0))
    print(f"\nThe right quarter of {len(chosen)} held-out pictures, {pipeline.name}\n\n{table(found)}", flush=True)
    _print_gains(found)


def _print_gains(found: dict[str, list[Measured]]) -> None:
    """Print what `inpaint` gains over each simple fill, by picture: the pictures differ more than the fills."""
    for other in ("mean of the known pixels", "nearest known pixel", "smooth continuation"):
        for what, unit in (("psnr", "dB"), ("log_prob", "nats")):
            pairs = zip(found["`inpaint`"], found[other], strict=True)
            gain = Figure.mean("", [getattr(one, what) - getattr(simple, what) for one, simple in pairs], unit)
            print(f"{what} of `inpaint` beyond {other}, by picture: {gain}", flush=True)


def trials(pipeline: Pipeline, pictures: Data, places: np.ndarray) -> None:
    """Print what other settings give, on the last of the places, which `report` does not use."""
    chosen = list(holed(pipeline, pictures, places[PICTURES:][-TRIED:]))
    measure = Measure(pipeline, None, [])
    found: dict[str, list[Measured]] = {"smooth continuation": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptWarning)
        for one in chosen:
            found["smooth continuation"].append(measure.of(one, simple_fills(one)["smooth continuation"], 0.0))
        for name, settings in tqdm(TRIALS.items(), desc="trials", disable=None, leave=False):
            found[name] = [measure.filled(one, one.name, **settings) for one in chosen]
    print(f"\nSettings, on {len(chosen)} other held-out pictures, {pipeline.name}\n\n{table(found)}", flush=True)


@dataclass(frozen=True)
class Measure:
    """What measures a fill.

    Attributes:
        pipeline: the model.
        judge: says what a picture shows; None for no verdict.
        names: that the judge chooses among.
    """

    pipeline: Pipeline
    judge: Judge | None
    names: Sequence[str]

    def all(self, one: Holed) -> dict[str, Measured]:
        """Every fill of a picture, by the name of its method."""
        found = {name: self.of(one, fill, 0.0) for name, fill in simple_fills(one).items()}
        for name, settings in METHODS.items():
            found[name] = self.filled(one, None if "without" in name else one.name, **settings)
        fills, seconds = self._fills(one, one.name, count=4)
        first = next(fill for fill in fills if fill.seed == 0)
        found["`inpaint`"] = self.of(one, to_tensor(first.image), seconds / len(fills))
        found[f"`inpaint`, {FOUR}"] = self.of(one, to_tensor(fills[0].image), seconds)
        found["the picture itself"] = self.of(one, one.pixels, 0.0)
        return found

    def filled(self, one: Holed, prompt: str | None, **settings: Any) -> Measured:
        """Figures of the likeliest fill with some settings."""
        fills, seconds = self._fills(one, prompt, **settings)
        return self.of(one, to_tensor(fills[0].image), seconds)

    def _fills(self, one: Holed, prompt: str | None, **settings: Any) -> tuple[list[Fill], float]:
        began = time.perf_counter()
        fills = self.pipeline.inpaint(one.given, one.mask, self._said(prompt), **settings)
        return fills, time.perf_counter() - began

    @torch.no_grad()
    def of(self, one: Holed, fill: Tensor, seconds: float) -> Measured:
        """Figures of a filled picture (3, S, S)."""
        pipeline, hole = self.pipeline, one.hole
        error = (fill - one.pixels).square()
        x, whole = (pipeline.encode(to_images(pixels[None])[0])[0] for pixels in (fill, one.pixels))
        inside = torch.nn.functional.max_pool2d(hole[None].float(), pipeline.factor)[0].bool()
        condition = pipeline.scored_condition(self._said(one.name))
        return Measured(
            known_error=float((fill - one.pixels).abs()[:, ~hole].max()) * 127.5,
            psnr=float(10 * torch.log10(4 / error[:, hole].mean().clamp(min=1e-5))),
            latent_error=float((x - whole)[:, inside].norm() / whole[:, inside].norm()),
            seam=seam(fill, hole),
            log_prob=score(pipeline.flow, x, condition, draws=DRAWS).log_prob,
            seconds=seconds,
            found=self._judged(fill, one.name),
        )

    def _said(self, prompt: str | None) -> str | None:
        """The prompt, for a model that takes some words."""
        return prompt if self.pipeline.text_encoder is not None else None

    def _judged(self, fill: Tensor, name: str) -> bool | None:
        """Whether the picture's own name is among those that the judge finds best."""
        if self.judge is None:
            return None
        rng = np.random.default_rng(list(name.encode()))
        others = [str(other) for other in rng.permutation([other for other in self.names if other != name])[:OTHERS]]
        return self.judge.ranks([to_images(fill[None])[0]], [name, *others], [0])[0] < BEST


def seam(pixels: Tensor, hole: Tensor) -> float:
    """Mean absolute step of a picture (3, S, S) across the edge of its hole (S, S), in [−1, 1]."""
    steps = []
    for axis in (0, 1):
        step = pixels.diff(dim=axis + 1).abs().mean(0)
        steps.append(step[hole.int().diff(dim=axis) != 0])
    return float(torch.cat(steps).mean())


def table(found: dict[str, list[Measured]]) -> str:
    """Means with intervals as Markdown, a method a row."""
    names = [name for name in COLUMNS if all(getattr(one, name) is not None for ones in found.values() for one in ones)]
    lines = [f"| | {' | '.join(COLUMNS[name] for name in names)} |", f"| --- {'| --- ' * len(names)}|"]
    for method, ones in found.items():
        cells = [_mean(name, [getattr(one, name) for one in ones]) for name in names]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _mean(column: str, values: list[Any]) -> str:
    return str(Figure.share("", values) if column == "found" else Figure.mean("", values, ""))
