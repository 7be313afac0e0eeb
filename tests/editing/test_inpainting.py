"""Pictures whose holes are drawn anew, by the embedded models and by flows of pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from starflow_core.editing.canvas import grown
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load

QUICK: dict[str, Any] = {"rounds": 1, "steps": 3}


@pytest.fixture(scope="module")
def owl(pipeline: Pipeline) -> Image.Image:
    return pipeline.generate("owl", seed=1)[0]


def square(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


def test_known_pixels_stay_and_the_likeliest_comes_first(pipeline: Pipeline, owl: Image.Image) -> None:
    mask = square(owl.size, (20, 20, 44, 44))
    fills = pipeline.inpaint(owl, mask, "owl", seed=4, count=3, **QUICK)
    assert [fill.rank for fill in fills] == [1, 2, 3]
    assert sorted(fill.seed for fill in fills) == [4, 5, 6]
    assert [fill.log_prob for fill in fills] == sorted((fill.log_prob for fill in fills), reverse=True)
    hole = np.asarray(mask) > 0
    for fill in fills:
        assert fill.known_error == 0
        assert (np.asarray(fill.image)[~hole] == np.asarray(owl)[~hole]).all()
        assert fill.log_prob == pytest.approx(pipeline.score(fill.image, "owl").log_prob, abs=0.05)
    alone = pipeline.inpaint(owl, mask, "owl", seed=5, **QUICK)[0]
    assert alone.image == next(fill.image for fill in fills if fill.seed == 5)


def test_the_flow_brings_back_what_it_has_learnt(pipeline: Pipeline, owl: Image.Image) -> None:
    """A hole over an eye: the eye comes back, and what is in the hole at first has no influence."""
    box = (34, 14, 48, 28)
    mask = square(owl.size, box)
    painted = owl.copy()
    painted.paste("magenta", box)
    fill = pipeline.inpaint(painted, mask, "owl", seed=0, rounds=3, steps=9)[0].image
    assert fill == pipeline.inpaint(owl, mask, "owl", seed=0, rounds=3, steps=9)[0].image
    mean = np.asarray(owl, float)[~(np.asarray(mask) > 0)].mean(0)
    error = np.abs(np.asarray(fill.crop(box), float) - np.asarray(owl.crop(box), float)).mean()
    assert error < 0.5 * np.abs(mean - np.asarray(owl.crop(box), float)).mean()


def test_picture_keeps_its_size(pipeline: Pipeline) -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (150, 100, 3), dtype=np.uint8))
    mask = square(picture.size, (10, 10, 40, 60))
    fill = pipeline.inpaint(picture, mask, **QUICK)[0]
    assert fill.image.size == picture.size
    hole = np.asarray(mask) > 0
    assert (np.asarray(fill.image)[~hole] == np.asarray(picture)[~hole]).all()
    assert (np.asarray(fill.image)[hole] != np.asarray(picture)[hole]).any()


def test_drawing_beyond_the_borders(pipeline: Pipeline, owl: Image.Image) -> None:
    canvas, mask = grown(owl, right=32)
    fill = pipeline.inpaint(canvas, mask, "owl", size=(96, 64), **QUICK)[0]
    assert fill.image.size == (96, 64)
    assert fill.image.crop((0, 0, 64, 64)) == owl
    assert fill.x.shape == (16, 8, 12)


@pytest.mark.parametrize("name", ["tarflow-mini", "tarflow-mini-8bit"])
def test_flows_of_pictures_fill_holes_too(name: str) -> None:
    model = load(name, device="cpu", dtype=torch.float32)
    picture = model.generate("cat", seed=3)[0]
    mask = square(picture.size, (8, 8, 20, 20))
    given, nothing = (model.inpaint(picture, mask, prompt, **QUICK)[0] for prompt in ("cat", None))
    assert given.known_error == nothing.known_error == 0
    assert given.image != nothing.image
    with pytest.raises(ValueError, match="unheard of"):
        model.inpaint(picture, mask, "unheard of", **QUICK)


def test_guidance_counts(pipeline: Pipeline, owl: Image.Image) -> None:
    mask = square(owl.size, (20, 20, 44, 44))
    plain, guided = (pipeline.inpaint(owl, mask, "owl", guidance=w, rounds=0, steps=2)[0].x for w in (0.0, 3.0))
    assert not torch.equal(plain, guided)


def test_what_cannot_be_done_is_said(pipeline: Pipeline, owl: Image.Image) -> None:
    mask = square(owl.size, (20, 20, 44, 44))
    impossible: list[tuple[dict[str, Any], str]] = [
        ({"mask": mask.resize((32, 32))}, "The mask is 32×32 pixels, and the picture 64×64"),
        ({"mask": Image.new("L", owl.size)}, "black everywhere"),
        ({"mask": Image.new("L", owl.size, 255)}, "white everywhere"),
        ({"mask": square(owl.size, (0, 0, 64, 63))}, "touches every place"),
        ({"count": 0}, "count is 0"),
        ({"size": (63, 64)}, "positive multiples of 8"),
    ]
    for wrong, told in impossible:
        with pytest.raises(ValueError, match=told):
            pipeline.inpaint(**{"image": owl, "mask": mask, "prompt": "owl", **QUICK, **wrong})
    with pytest.raises(TypeError, match="colour"):
        pipeline.inpaint(owl, mask, "owl", colour=3)


def test_model_without_prompts_refuses_one() -> None:
    eight = load("tarflow-mini", device="cpu", dtype=torch.float32)
    alone = Pipeline(eight.flow, None, None, classes=eight.classes)
    alone.classes = None  # as of a model without classes
    with pytest.raises(ValueError, match="knows no prompts; leave the prompt away"):
        alone.inpaint(Image.new("RGB", (32, 32)), square((32, 32), (2, 2, 9, 9)), "cat")
