"""STARFlow Likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from PIL import Image as Picture

from starflow_core.insight.heatmap import STOPS
from starflow_core.insight.likelihood import DRAW_BATCH, Likelihood, score
from starflow_core.insight.oddness import oddness
from starflow_core.memory import forward_memory
from starflow_core.progress import part_of

from . import conditions, convert
from .declaration import (
    CONDITIONING,
    FLOAT,
    IMAGE,
    LATENT,
    MASK,
    MODEL,
    STRING,
    Number,
    Output,
    Seed,
    Shown,
    Socket,
    node,
)
from .host import Host
from .pictures import decoded, encoded
from .seen import Seen
from .values import Conditioning, Image, Latent, Model


@dataclass(frozen=True)
class Scored:
    """The part of a picture that the model sees, with its likelihood."""

    picture: Picture.Image
    likelihood: Likelihood

    def described(self) -> dict[str, Any]:
        """Data for `web/likelihood_view.js` as JSON, without the picture."""
        found = self.likelihood
        return {
            "in_words": in_words(found),
            "log_prob": found.log_prob,
            "bits_per_dim": found.bits_per_dim,
            "standard_error": None if math.isnan(found.standard_error) else found.standard_error,
            "map": [[round(value, 3) for value in row] for row in found.map.tolist()],
            "stops": STOPS,
        }


@node(
    "STARFlowLikelihood",
    "STARFlow Likelihood",
    "How likely a model finds a picture, in nats and in bits per dimension, and where: the brighter the heatmap, the "
    "likelier the place. The mask shows where a picture is odd.",
    outputs=(
        Output("log_prob", FLOAT, "in nats; of several pictures, the mean"),
        Output("bits_per_dim", FLOAT, "fewer are likelier; of several pictures, the mean"),
        Output(
            "heatmap", IMAGE, "log-probability by place, of the picture's size; a batch shares one scale of colours"
        ),
        Output("mask", MASK, "1 where the model finds the picture odd, 0 where it does not; of the picture's size"),
        Output("log_prob_each", FLOAT, "in nats, a list: one for each picture", is_list=True),
        Output("bits_per_dim_each", FLOAT, "a list: one for each picture", is_list=True),
        Output(
            "in_words",
            STRING,
            "how likely beside pictures that the model was trained to know, a list: one for each picture; empty where "
            "that cannot be said",
            is_list=True,
        ),
    ),
    category="insight",
    aliases=(
        *("log likelihood", "log probability", "probability", "bits per dimension", "bits/dim", "nats", "heatmap"),
        *("anomaly detection", "out of distribution", "novelty", "surprise", "density", "score", "normalizing flow"),
    ),
    essentials="Image Tools",
    shows=True,
)
def likelihood(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    image: Annotated[Image | None, Socket("a picture; or a latent instead", IMAGE)] = None,
    latent: Annotated[Latent | None, Socket("from STARFlow Encode; or an image instead", LATENT)] = None,
    conditioning: Annotated[Conditioning | None, Socket("what the picture is thought to show", CONDITIONING)] = None,
    draws: Annotated[int, Number("noise draws that are averaged over", 1, 256, 1)] = 4,
    seed: Annotated[int, Seed("of the noise draws; it stays, so that figures compare")] = 0,
) -> Shown:
    x = data_of(host, model, image, latent)
    pipeline = model.pipeline
    flow = pipeline.flow
    given = conditions.condition(host, model, conditioning, 1)
    report, total = host.steps(), len(x) * draws
    with host.in_memory(model.flow, forward_memory(flow, min(draws, DRAW_BATCH), flow.grid(x), given)):
        scores = [
            score(flow, one, given, draws=draws, seed=seed, on_progress=part_of(report, i * draws, total))
            for i, one in enumerate(x)
        ]
    if pipeline.reference is not None:
        described = conditions.says_something(host, model, conditioning)
        scores = [pipeline.compared(found, described=described) for found in scores]
    pictures = decoded(host, model, x)
    seen = Seen.of(model, image, pictures[0].size)
    log_probs, bits = [found.log_prob for found in scores], [found.bits_per_dim for found in scores]
    outputs = (
        sum(log_probs) / len(scores),
        sum(bits) / len(scores),
        seen.heatmaps([found.map for found in scores]),
        seen.mask(torch.stack([oddness(found.noise_map, x[0].numel() // found.map.numel()) for found in scores])),
        log_probs,
        bits,
        [in_words(found) for found in scores],
    )
    return Shown(outputs, [Scored(picture, found) for picture, found in zip(pictures, scores, strict=True)])


def in_words(found: Likelihood) -> str:
    """How likely a picture is beside others, in words; "" where that cannot be said."""
    return str(found.standing or "")


def data_of(host: Host, model: Model, image: Image | None, latent: Latent | None) -> torch.Tensor:
    """The flow's data (B, C, H, W) from a picture or a latent.

    Raises:
        ValueError: there is neither, or both.
    """
    if latent is not None and image is None:
        return convert.unmasked(model, latent)
    if image is not None and latent is None:
        return encoded(host, model, image)
    raise ValueError("Connect an image or a latent, and not both.")
