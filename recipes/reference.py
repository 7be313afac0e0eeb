"""What a model's likelihoods are compared with, into its folder: `python -m recipes.reference [MODEL …]`.

A model of these recipes is measured on pictures that were held out from its training. The embedded models are older:
first_models.json has their weights' identities, and the names that were held out from their training, each with its
class. They are measured on the pictures of these names.
"""

from __future__ import annotations

import dataclasses
import json
import random
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from starflow_core.codecs.prompt_warning import PromptWarning
from starflow_core.insight.known_pictures import measure_reference
from starflow_core.insight.prompt_weight import measure_prompt_weight
from starflow_core.insight.reference import LEAST_PICTURES, Reference, identity
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import embedded_models, load, model_folder

from . import classes, data
from .config import Config, arguments
from .pictures import captions
from .pictures.captions import Shown
from .pictures.picture import Picture

FIRST = Path(__file__).with_name("first_models.json")
FIRST_SETS = ("noto", "twemoji")
PICTURES = 500
RESERVED = 200  # of the shuffled held-out pictures, on which the figures of matching are measured


@dataclass(frozen=True)
class Known:
    """Pictures to measure.

    Attributes:
        images: (n, S, S, 3) uint8.
        prompts: the caption or the class of each, "" for none.
        pictures: which pictures, in words.
        kind: as for `Reference`.
    """

    images: np.ndarray
    prompts: list[str]
    pictures: str
    kind: str


def known(config: Config, pipeline: Pipeline) -> Known:
    """Held-out pictures of a model of these recipes; training pictures where too few are held out."""
    pictures = data.load(config, pipeline.trained_side)
    is_held_out = len(pictures.unseen) >= LEAST_PICTURES
    places = data.some(pictures.unseen if is_held_out else pictures.trained, PICTURES)
    prompts = [_said(pipeline, row) for row in pictures.rows(places)]
    kind = "held out" if is_held_out else "trained on"
    sets = len({row.set for row in pictures.rows(places)})
    told = f"{len(places)} {'held-out' if is_held_out else 'training'} pictures of {sets} sets"
    return Known(pictures.images(places), prompts, told, kind)


def first_known(config: Config, pipeline: Pipeline) -> Known:
    """Pictures of the names that were held out from the training of the first embedded models."""
    held_out = _first()["names"]
    pictures = data.load(config, pipeline.trained_side)
    _, places = seen_and_unseen(pipeline, pictures)
    names = [row.name for row in pictures.rows(places)]
    prompts = names
    if pipeline.classes is not None:
        prompts = [held_out[name] if held_out[name] in pipeline.classes.names else "" for name in names]
    told = f"{len(places)} pictures of Noto Emoji and Twemoji, of {len(set(names))} held-out names"
    return Known(pictures.images(places), prompts, told, "held out")


def measured(pipeline: Pipeline, pictures: Known) -> Reference:
    """Measure them; what the model does not read of a caption is no matter."""
    bar = tqdm(total=len(pictures.images), desc="reference", disable=None, leave=False)
    with bar, warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptWarning)
        return measure_reference(
            pipeline,
            [Image.fromarray(image) for image in pictures.images],
            pictures.prompts if pipeline.is_conditional else None,
            pictures=pictures.pictures,
            kind=pictures.kind,
            failed=tqdm.write,
            on_progress=lambda done, total: bar.update(done - bar.n),
        )


def write(config: Config, folder: Path) -> None:
    """Measure the model in a folder, as its weights are there, and write the reference into the folder."""
    pipeline = load(folder, dtype=torch.float32)
    found = first_known(config, pipeline) if is_first(pipeline) else known(config, pipeline)
    if len(found.images) < LEAST_PICTURES:
        print(f"{folder}: too few pictures for a reference; it has none.")
        return
    made = dataclasses.replace(measured(pipeline, found), prompt_weight=prompt_weight(config, pipeline))
    made.save(folder)
    number = 0 if made.described is None else made.described.number
    print(f"{folder}: compared with {made.pictures}; {made.plain.number} given nothing, {number} described")
    print(f"{folder}: weight of prompts {made.prompt_weight}")


def prompt_weight(config: Config, pipeline: Pipeline) -> float:
    """Measure the weight of prompts on held-out pictures, save those that figures of matching are measured on."""
    if not pipeline.is_conditional:
        return 1.0
    pictures = data.load(config, pipeline.trained_side)
    reserved = set(pictures.shuffled_unseen[:RESERVED].tolist())
    _, unseen = seen_and_unseen(pipeline, pictures)
    places = np.array([place for place in unseen if place not in reserved], int)
    if not len(places):
        return 1.0
    prompts = [_named(pipeline, row) for row in pictures.rows(places)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptWarning)
        images = [Image.fromarray(image) for image in pictures.images(places)]
        return measure_prompt_weight(pipeline, images, prompts) or 1.0


def is_first(pipeline: Pipeline) -> bool:
    """Whether a model is one of the first embedded ones."""
    return identity(pipeline.flow) in _first()["weights"].values()


def seen_and_unseen(pipeline: Pipeline, pictures: data.Data) -> tuple[np.ndarray, np.ndarray]:
    """Places of the pictures that a model was trained on, and of others of their kind that it has never seen."""
    if not is_first(pipeline):
        return pictures.trained, pictures.unseen
    held_out, rows = _first()["names"], pictures.pictures.rows
    seen = [i for i, row in enumerate(rows) if row.set == FIRST_SETS[0] and row.name not in held_out]
    unseen = [i for i, row in enumerate(rows) if row.set in FIRST_SETS and row.name in held_out]
    return np.array(seen, int), np.array(unseen, int)


def _first() -> dict[str, dict[str, str]]:
    """`weights`, the identity of each of the first models, and `names`, the class of each held-out name."""
    content: dict[str, dict[str, str]] = json.loads(FIRST.read_text(encoding="utf-8"))
    return content


def _said(pipeline: Pipeline, row: Picture) -> str:
    """The caption of a picture, or the name of its class; "" for no class."""
    return _named(pipeline, row) if pipeline.classes else captions.caption(Shown(row), random.Random(row.id))


def _named(pipeline: Pipeline, row: Picture) -> str:
    """The name of a picture, or that of its class; "" for none that the model knows."""
    if pipeline.classes is None:
        return row.name
    label = classes.label(row)
    name = "" if label is None else classes.NAMES[label]
    return name if name in pipeline.classes.names else ""


if __name__ == "__main__":
    given = arguments(__doc__, models=True)
    for name in given.models or embedded_models():
        write(given.config, model_folder(name))
