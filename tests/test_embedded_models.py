"""The models that come with the package, as people meet them."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from starflow_core.insight.evaluation import Entry, Protocol, measure
from starflow_core.insight.reference import FILE
from starflow_core.pipeline import Pipeline
from starflow_core.samplers import Sequential
from starflow_core.weights.model_folder import EMBEDDED, embedded_models, load

MODELS = ("starflow-mini", "starflow-mini-128", "tarflow-mini", "tarflow-mini-8bit")
LARGEST = {"starflow-mini": 40e6, "starflow-mini-128": 40e6, "tarflow-mini": 15e6, "tarflow-mini-8bit": 15e6}  # bytes
LARGEST_OF_TEXT = 60e6  # bytes, of all flows of text together


@functools.cache
def embedded(name: str) -> Pipeline:
    return load(name, device="cpu", dtype=torch.float32)


def bits(image: Image.Image, folder: Path) -> float:
    """Bits per dimension of a picture under the model for likelihoods; infinite where they overflow."""
    image.save(folder / "picture.png")
    entry = Entry(folder / "picture.png", "picture.png", "")
    told: list[str] = []
    measured = list(measure(embedded("tarflow-mini-8bit"), [entry], Protocol("tarflow-mini-8bit"), told.append))
    assert len(measured) + len(told) == 1
    return measured[0].bits_per_dim if measured else math.inf


def test_all_models_are_there() -> None:
    assert embedded_models() == sorted(MODELS)


def size(name: str) -> int:
    """Of a model's folder, in bytes."""
    return sum(path.stat().st_size for path in (EMBEDDED / name).rglob("*") if path.is_file())


def test_flows_of_text_are_small_together() -> None:
    assert sum(size(name) for name in MODELS if name.startswith("starflow")) <= LARGEST_OF_TEXT


@pytest.mark.parametrize("name", MODELS)
def test_model_is_small_and_has_a_card(name: str) -> None:
    assert size(name) <= LARGEST[name]
    card = (EMBEDDED / name / "README.md").read_text(encoding="utf-8")
    assert f"# {name}" in card
    assert "license: apache-2.0" in card
    assert "## Limits" in card


@pytest.mark.parametrize("name", MODELS)
def test_model_has_a_reference_of_its_own_size_and_of_both_conditions(name: str) -> None:
    found = embedded(name).reference
    assert found is not None
    assert (EMBEDDED / name / FILE).stat().st_size < 10_000
    assert found.size == (embedded(name).trained_side,) * 2
    assert found.kind == "held out"
    assert found.described is not None
    assert found.plain.number >= 100
    card = (EMBEDDED / name / "README.md").read_text(encoding="utf-8")
    assert f"{found.plain.number} pictures" in card
    assert "held-out names" in card or "held-out pictures" in card


def share_below(name: str, image: Image.Image) -> float:
    standing = embedded(name).score(image).standing
    assert standing is not None
    return standing.share


@pytest.mark.parametrize("name", MODELS)
def test_noise_is_less_likely_than_nearly_all_and_what_a_model_knows_is_not(name: str) -> None:
    side = embedded(name).trained_side
    noise = np.random.default_rng(0).integers(64, 192, (side, side, 3), dtype=np.uint8)
    assert share_below(name, Image.fromarray(noise)) < 0.05
    known = {
        "starflow-mini": lambda: embedded("starflow-mini").generate("owl")[0],
        "starflow-mini-128": lambda: embedded("starflow-mini-128").generate("owl")[0],
        "tarflow-mini": lambda: embedded("tarflow-mini").generate("cat", seed=0)[0],
        "tarflow-mini-8bit": lambda: Image.new("RGB", (side, side), "white"),
    }
    assert share_below(name, known[name]()) > 0.25


@pytest.mark.parametrize("name", ["starflow-mini", "tarflow-mini"])
def test_picture_is_mostly_colour_on_white(name: str) -> None:
    pixels = np.asarray(embedded(name).generate("heart", seed=1)[0], dtype=float)
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.mean() > 235
    assert pixels.std() > 20


@pytest.mark.parametrize("name", MODELS)
def test_default_sampler_agrees_with_the_reference(name: str) -> None:
    pipeline = embedded(name)
    prompt = "face" if pipeline.classes else "smiling face"
    reference = pipeline.generate_latents(prompt, seed=2, sampler=Sequential())
    x = pipeline.generate_latents(prompt, seed=2)
    # Denoising and the blocks that follow may enlarge what is left by the tolerance of a hundredth.
    assert float((x - reference).norm() / reference.norm()) < 0.02


def test_classes_make_a_difference() -> None:
    cat, clock = embedded("tarflow-mini").generate(["cat", "clock"], seed=3)
    assert np.abs(np.asarray(cat, dtype=float) - np.asarray(clock, dtype=float)).mean() > 10


def test_one_vae_serves_both_flows_of_text() -> None:
    small, large = (embedded(name).autoencoder for name in ("starflow-mini", "starflow-mini-128"))
    assert small is not None
    assert large is not None
    assert all(torch.equal(large.state_dict()[name], tensor) for name, tensor in small.state_dict().items())
    assert small.config.scaling_factor != large.config.scaling_factor


def test_drawn_picture_is_likelier_than_a_shuffled_one_and_than_noise(tmp_path: Path) -> None:
    drawn = embedded("tarflow-mini").generate("cat", seed=0)[0]
    pixels = np.asarray(drawn)
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(pixels.reshape(-1, 3)).reshape(pixels.shape)
    noise = rng.integers(0, 256, pixels.shape, dtype=np.uint8)
    assert bits(drawn, tmp_path) + 1 < bits(Image.fromarray(shuffled), tmp_path)
    assert bits(drawn, tmp_path) + 1 < bits(Image.fromarray(noise), tmp_path)


def test_score_that_overflows_is_an_error_and_not_a_number() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="too unlike"):
        embedded("tarflow-mini-8bit").score(Image.fromarray(noise))


def test_flat_white_is_cheap(tmp_path: Path) -> None:
    assert bits(Image.new("RGB", (32, 32), "white"), tmp_path) < 1
