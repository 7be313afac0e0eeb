"""How well the model matches prompts with pictures."""

from __future__ import annotations

import math
import random

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from recipes.data import Data
from recipes.figures import Figure, table
from recipes.pixels import as_tensor
from starflow_core.insight.match import Match, match
from starflow_core.pipeline import Pipeline

CANDIDATES = (10, 100)
PICTURES, PAIRS = 100, 100
DRAWS = 2


def report(pipeline: Pipeline, pictures: Data, places: np.ndarray) -> None:
    """Print the share of pictures whose own name is found, and where the information of two prompts lies."""
    figures = [figure for number in CANDIDATES for figure in _found(pipeline, pictures, places[:PICTURES], number)]
    figures += _halves(pipeline, pictures, places)
    print(f"\nPrompt match, {DRAWS} noise draws\n\n{table(figures)}", flush=True)


def _found(pipeline: Pipeline, pictures: Data, places: np.ndarray, candidates: int) -> list[Figure]:
    """Measure how often a picture's own name scores higher than the names of others, and how sure the posterior is."""
    names = sorted({row.name for row in pictures.rows(pictures.trained) if not row.attributes})
    hits, weighted, unweighted = [], [], []  # of each picture the logarithms of the posterior, for the last two
    rows = pictures.rows(places)
    for row, image in zip(tqdm(rows, disable=None, leave=False), pictures.images(places), strict=True):
        others = random.Random(row.id).sample([name for name in names if name != row.name], candidates - 1)
        found = _matched(pipeline, image, [row.name, *others])
        hits.append(found.best == row.name)
        weighted.append((pipeline.prompt_weight * found.scores.double()).log_softmax(0))
        unweighted.append(found.scores.double().log_softmax(0))
    return [
        Figure.share(f"right name among {candidates}, {len(places)} held-out pictures", hits),
        Figure.mean("the posterior of the best", [math.exp(one.max()) for one in weighted], ""),
        Figure.mean("the same, unweighted", [math.exp(one.max()) for one in unweighted], ""),
        Figure.mean("−ln of the right name's posterior", [-float(one[0]) for one in weighted], "nats"),
        Figure.mean("the same, unweighted", [-float(one[0]) for one in unweighted], "nats"),
    ]


def _halves(pipeline: Pipeline, pictures: Data, places: np.ndarray) -> list[Figure]:
    """Measure, on pictures joined from two, how much of each prompt's information falls on its own half."""
    rows, shares, hits = pictures.rows(places[: 2 * PAIRS]), [], []
    images = pictures.images(places[: 2 * PAIRS])
    for i in tqdm(range(0, len(rows), 2), disable=None, leave=False):
        if rows[i].name == rows[i + 1].name:
            continue
        found = _matched(pipeline, beside(images[i], images[i + 1]), [rows[i].name, rows[i + 1].name])
        middle = found.maps.shape[2] // 2
        left, right = found.maps[..., :middle].sum((1, 2)), found.maps[..., middle:].sum((1, 2))
        hits += [bool(left[0] - left[1] > right[0] - right[1])]
        gains = found.maps.clamp(min=0)
        on_left = gains[..., :middle].sum((1, 2)) / gains.sum((1, 2)).clamp(min=1e-9)
        shares += [float(on_left[0]), 1 - float(on_left[1])]
    return [
        Figure.mean(f"share of a prompt's information on its half, {len(hits)} pairs", shares, ""),
        Figure.share(f"halves told apart, {len(hits)} pairs", hits),
    ]


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Put two pictures side by side at half their size, in the middle of a white square."""
    side = len(left)
    whole = np.full_like(left, 255)
    for picture, at in ((left, 0), (right, side // 2)):
        small = Image.fromarray(picture).resize((side // 2, side // 2), Image.Resampling.LANCZOS)
        whole[side // 4 : side // 4 + side // 2, at : at + side // 2] = np.asarray(small)
    return whole


@torch.no_grad()
def _matched(pipeline: Pipeline, image: np.ndarray, prompts: list[str]) -> Match:
    x = as_tensor(image[None])
    latents: Tensor = x if pipeline.autoencoder is None else pipeline.autoencoder.encode(x)
    conditions = pipeline.matched_conditions(prompts)
    return match(pipeline.flow, latents, prompts, conditions, draws=DRAWS, weight=pipeline.prompt_weight)[0]
