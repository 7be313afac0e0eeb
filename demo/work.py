"""Functions that run nodes for the pages, with a limit on the work of each."""

from __future__ import annotations

import math
from typing import Any

from PIL import Image

from nodes import convert
from nodes.anomaly import fit, score
from nodes.compression import compress
from nodes.conditioning import encode_text, label_class
from nodes.confidence import measure
from nodes.declaration import Node, Shown
from nodes.inpainting import fill_masked
from nodes.likelihood import Scored, likelihood
from nodes.loading import load
from nodes.match import match_prompts
from nodes.morph import morph
from nodes.picking import pick
from nodes.sampling import SIZE, sample
from nodes.values import Conditioning, Model, Scorer
from starflow_core.images import checked_size
from starflow_core.insight import tiles
from starflow_core.insight.oddity import LARGE

from .host import DemoHost

# The unit of work is one drawn picture of the size that the model was trained at.
MOST_WORK = 16.0
ROUND, STEP = 0.5, 0.2  # of the unit: a picture drawn without guidance; a likelihood and its gradient
CODED = 2**16  # pixels that are compressed without loss in that time
DRAWS = 16  # draws of noise for a likelihood that take as long as one drawn picture


def check(work: float) -> None:
    """Check that the work of a request is within the limit.

    Raises:
        ValueError: the work exceeds `MOST_WORK`.
    """
    if work > MOST_WORK:
        raise ValueError(
            f"This is the work of {work:.0f} pictures of the size that the model was trained at, and {MOST_WORK:.0f} "
            "at once is the most here, since others wait; ask for fewer or smaller pictures, or fewer draws."
        )


def scoring_work(pictures: float, draws: int) -> float:
    """Return the work of scoring pictures, in the unit of `MOST_WORK`."""
    return pictures * draws / DRAWS


def work_of(node: Node, values: dict[str, Any]) -> float:
    """Return the work of a node with these inputs, in the unit of `MOST_WORK`.

    Raises:
        ValueError: the model makes no pictures of this size.
    """
    if node is compress and values.get("image") is not None:
        return _coding_work(values)
    scorer = values.get("anomaly")
    model = scorer.model if isinstance(scorer, Scorer) else values.get("model")
    if not isinstance(model, Model):
        return 0.0
    if node in (likelihood, measure, match_prompts, pick, fit, score) and values.get("image") is not None:
        return _measuring_work(node, model, values)
    if node is fill_masked:
        return _filling_work(values)
    latent = values.get("noise") or values.get("latent")
    pictures = float(values.get("frames" if node is morph else "batch_size", 1))
    if latent is not None:
        samples = latent["samples"]
        is_repeated = node is sample and values.get("noise") is None and len(samples) == 1
        number = values.get("batch_size", 1) if is_repeated else len(samples)
        pictures = number * samples[0, 0].numel() * model.pipeline.factor**2 / model.pipeline.trained_side**2
    elif values.get("aspect_ratio") == SIZE:
        size = checked_size((values["width"], values["height"]), model.pipeline.trained_side, model.pipeline.multiple)
        pictures *= math.prod(size) / model.pipeline.trained_side**2
    return scoring_work(pictures, values.get("draws", 1)) if node is likelihood else pictures


def _coding_work(values: dict[str, Any]) -> float:
    """Return the work of compressing pictures, in the unit of `MOST_WORK`."""
    settings = {given.name: given.default for given in compress.inputs} | values
    image, model = settings["image"], settings["model"]
    if model is None:
        return float(image[..., 0].numel() / CODED)
    side = model.pipeline.trained_side
    tiles = len(image) * math.prod(-(-length // side) for length in image.shape[1:3])
    return float(tiles * (ROUND + STEP * settings["iterations"]))


def _filling_work(values: dict[str, Any]) -> float:
    """Return the work of filling the holes of some pictures, in the unit of `MOST_WORK`."""
    settings = {given.name: given.default for given in fill_masked.inputs} | values
    image, latent = settings["image"], settings["latent"]
    number = len(image) if image is not None else len(latent["samples"]) if latent is not None else 0
    passes = 2 if settings["guidance"] else 1
    return float(number * settings["count"] * (ROUND * settings["rounds"] + STEP * passes * settings["steps"]))


def _measuring_work(node: Node, model: Model, values: dict[str, Any]) -> float:
    """Return the work of a node that measures pictures."""
    image, draws = values["image"], values.get("draws", 1)
    if node is match_prompts:
        prompts = [line for line in values.get("prompts", "").splitlines() if line.strip()]
        return scoring_work(len(image) * (1 + len(prompts)), draws)
    if node is fit or node is score:
        side, size = model.pipeline.trained_side, (image.shape[2], image.shape[1])
        tiled = min(size) >= LARGE * side
        if node is score:
            settings = values["anomaly"].anomaly.settings
            tiled, draws = settings.tiled, settings.draws
        return scoring_work(len(image) * tiles.count(size, side, scaled=not tiled), draws)
    return scoring_work(len(image) * (2 if node is pick else 1), draws)


def run_node(node: Node, host: DemoHost, **values: Any) -> Shown:
    """Run a node and return its result.

    Raises:
        ValueError: the work exceeds the limit, or the node raises it.
    """
    check(work_of(node, values))
    return node(host, **values)


def one(node: Node, host: DemoHost, **values: Any) -> Any:
    """Run a node that has one output; return that output."""
    (output,) = run_node(node, host, **values).outputs
    return output


def prompted(
    host: DemoHost, model_name: str, prompt: str, negative: str
) -> tuple[Model, Conditioning | None, Conditioning | None]:
    """Load a model; return it with the conditionings of the prompt and of the negative prompt, or of their classes."""
    model, text_encoder, _ = load(host, model=model_name, dtype="default", accept_licence=False).outputs
    if text_encoder is not None:
        positive, steered = (
            one(encode_text, host, text_encoder=text_encoder, text=text) for text in (prompt, negative)
        )
        return model, positive, steered
    if model.pipeline.classes is not None:
        positive, steered = (one(label_class, host, model=model, name=name.strip()) for name in (prompt, negative))
        return model, positive, steered
    if prompt.strip():
        raise ValueError(f"The model {model_name} knows no prompts; leave the prompt empty.")
    return model, None, None


def scored(host: DemoHost, model: Model, given: Conditioning | None, picture: Image.Image, **settings: Any) -> Scored:
    shown = run_node(likelihood, host, model=model, image=convert.image([picture]), conditioning=given, **settings)
    found: Scored = shown.details[0]
    return found
