"""STARFlow Anomaly Fit and STARFlow Anomaly Score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from PIL.Image import Image as Picture

from starflow_core.insight.anomaly import Anomaly
from starflow_core.insight.heatmap import heatmap
from starflow_core.insight.oddity import LEAST_PICTURES, Oddity
from starflow_core.insight.scoring import at_once
from starflow_core.memory import forward_memory
from starflow_core.weights.store import scorers

from . import conditions, convert
from .declaration import ANOMALY, FLOAT, IMAGE, MASK, MODEL, Choice, Number, Output, Seed, Socket, node
from .host import Host
from .pictures import PIXEL_MEMORY
from .values import Image, Mask, Model, Scorer

# Values of the map, in standard deviations above normal, at which the mask starts and at which it is 1.
STARTS, IS_ODD = 3.0, 6.0
NONE = "none"
TILES = 64  # tiles that memory is requested for, at most; further tiles are computed after them


def files() -> list[str]:
    """The files to choose from."""
    return [NONE, *scorers()]


@node(
    "STARFlowAnomalyFit",
    "STARFlow Anomaly Fit",
    "Learns from a batch of pictures what is normal, so that STARFlow Anomaly Score can say how odd others are.",
    outputs=(Output("anomaly", ANOMALY, "for STARFlow Anomaly Score"),),
    category="insight",
    aliases=("anomaly detection", "outlier", "out of distribution", "novelty", "inspection", "normalizing flow"),
)
def fit(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    image: Annotated[
        Image, Socket(f"normal pictures, {LEAST_PICTURES} at least; better some hundreds", IMAGE, many=True)
    ],
    false_positive_rate: Annotated[float, Number("share of normal pictures to call odd", 0.001, 0.5, 0.001)] = 0.05,
    draws: Annotated[int, Number("noise draws that are averaged over", 1, 256, 1)] = 2,
    seed: Annotated[int, Seed("of the noise draws; it stays, so that figures compare")] = 0,
) -> Scorer:
    pictures = convert.pictures(image)
    return fitted(host, model, pictures, draws=draws, seed=seed, false_positive_rate=false_positive_rate)


@node(
    "STARFlowAnomalyScore",
    "STARFlow Anomaly Score",
    "Says how odd pictures are beside the normal ones that STARFlow Anomaly Fit has seen, how rare that is, and where.",
    outputs=(
        Output("score", FLOAT, "larger is odder, a list: one for each picture", is_list=True),
        Output(
            "p_value", FLOAT, "the share of normal pictures that are as odd, a list: one for each picture", is_list=True
        ),
        Output("heatmap", IMAGE, "where the pictures are odd, of their size; the brighter, the odder"),
        Output("mask", MASK, "1 where the pictures are odd, 0 where they are not; of their size"),
    ),
    category="insight",
    aliases=("anomaly detection", "outlier", "out of distribution", "novelty", "defect", "normalizing flow"),
)
def score(
    host: Host,
    anomaly: Annotated[Scorer, Socket("from STARFlow Anomaly Fit or STARFlow Anomaly Load", ANOMALY)],
    image: Annotated[Image, Socket("pictures", IMAGE, many=True)],
) -> tuple[list[float], list[float], Image, Mask]:
    pictures = convert.pictures(image)
    found = judged(host, anomaly, pictures)
    size = pictures[0].size
    share = torch.stack([((one.map - STARTS) / (IS_ODD - STARTS)).clamp(0, 1) for one in found])
    heatmaps = convert.image([heatmap(one.map, size, (0.0, IS_ODD)) for one in found])
    return [one.score for one in found], [one.p_value for one in found], heatmaps, convert.mask(share, size)


@node(
    "STARFlowAnomalyLoad",
    "STARFlow Anomaly Load",
    "Loads what starflow anomaly fit has learnt of normal pictures, for STARFlow Anomaly Score.",
    outputs=(Output("anomaly", ANOMALY, "for STARFlow Anomaly Score"),),
    category="insight",
    aliases=("anomaly detection", "outlier", "novelty", "inspection", "load scorer", "normalizing flow"),
)
def load(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader; the one that the file was fitted with", MODEL)],
    file: Annotated[str, Choice("a file of starflow anomaly fit, beside the folders of models", files)] = NONE,
) -> Scorer:
    if file == NONE:
        raise ValueError(
            "No file is chosen. Make one with `starflow anomaly fit GOOD -o good.safetensors --model MODEL`, put it "
            "beside the folders of models, which is models/starflow in ComfyUI, and choose it."
        )
    return Scorer(model, Anomaly.load(scorers()[file], conditions.with_text(host, model)))


def fitted(host: Host, model: Model, pictures: Sequence[Picture], *, draws: int = 2, **settings: Any) -> Scorer:
    """Fit a scorer on normal pictures, of any sizes; the settings are those of `Anomaly.fit`.

    Raises:
        ValueError: there are too few pictures, or all are alike.
    """
    whole = conditions.with_text(host, model)
    with _in_memory(host, model, draws):
        made = Anomaly.fit(whole, pictures, draws=draws, failed=host.tell, on_progress=host.steps(), **settings)
    return Scorer(model, made)


def judged(host: Host, scorer: Scorer, pictures: Sequence[Picture]) -> list[Oddity]:
    """How odd pictures are, of any sizes."""
    report = host.steps()
    found: list[Oddity] = []
    with _in_memory(host, scorer.model, scorer.anomaly.settings.draws):
        for picture in pictures:
            found.append(scorer.anomaly.score(picture))
            report(len(found), len(pictures))
    return found


@contextmanager
def _in_memory(host: Host, model: Model, draws: int) -> Iterator[None]:
    """Keep autoencoder and flow on their devices, with memory for the tiles that are computed at once."""
    flow = model.pipeline.flow
    grid = (flow.config.trained_side, flow.config.trained_side)
    batch = at_once(grid, TILES * draws)
    pixels = batch // draws * model.pipeline.trained_side**2
    memory = forward_memory(flow, batch, grid, conditions.condition(host, model, None, 1))
    with host.in_memory(model.autoencoder, pixels * PIXEL_MEMORY), host.in_memory(model.flow, memory):
        yield
