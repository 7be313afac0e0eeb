"""STARFlow Ascent."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from node_runs import run

from nodes import convert
from nodes.local_host import LocalHost
from nodes.values import Model
from starflow_core.pipeline import Pipeline

QUICK: dict[str, Any] = {"steps": 1, "strength": 0.5}


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.rand(2, 64, 64, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("goal", ["likelihood", "match"])
def test_node_climbs_as_the_library_does(
    starflow: tuple[Model, Any], pipeline: Pipeline, image: torch.Tensor, goal: str
) -> None:
    model, encoder = starflow
    text = run("TextEncode", text_encoder=encoder, text="red heart")
    given = {"model": model, "conditioning": text, "goal": goal, "seed": 3, **QUICK}
    shown, latent, before, after = run("Ascent", image=image[:1], **given)
    expected = pipeline.ascend(convert.pictures(image)[0], "red heart", of=goal, seed=3, **QUICK)
    assert before == pytest.approx([expected.before], abs=0.05)
    assert after == pytest.approx([expected.after], abs=0.05)
    assert after[0] > before[0]
    torch.testing.assert_close(shown, convert.image([expected.image]), rtol=0, atol=0.01)
    torch.testing.assert_close(convert.data(model, latent)[0], expected.x, rtol=1e-4, atol=1e-4)


def test_each_picture_of_a_latent_is_made_likelier(starflow: tuple[Model, Any], image: torch.Tensor) -> None:
    model = starflow[0]
    latent = run("Encode", model=model, image=image) | {"batch_index": [4, 5]}
    done: list[tuple[int, int]] = []
    host = LocalHost(device="cpu", on_progress=lambda *step: done.append(step))
    shown, likelier, before, after = run("Ascent", host, model=model, latent=latent, steps=2)
    assert shown.shape == (2, 64, 64, 3)
    assert all(late > early for early, late in zip(before, after, strict=True))
    assert not torch.equal(likelier["samples"], latent["samples"])
    assert likelier["batch_index"] == [4, 5]
    assert done[:4] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_no_strength_changes_nothing(tarflow: Model, image: torch.Tensor) -> None:
    latent = run("Encode", model=tarflow, image=image[:1])
    _, same, before, after = run("Ascent", model=tarflow, latent=latent, strength=0.0, steps=1)
    assert torch.equal(same["samples"], latent["samples"])
    assert before == after


def test_class_is_climbed_to(tarflow: Model, image: torch.Tensor) -> None:
    label = run("ClassLabel", model=tarflow, name="cat")
    found = run("Ascent", model=tarflow, image=image[:1], conditioning=label, goal="match", **QUICK)
    assert found[3][0] > found[2][0]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"image": None}, "Connect an image or a latent"),
    ({"latent": {"samples": torch.ones(1, 16, 8, 8)}}, "Connect an image or a latent"),
    ({"image": None, "latent": {"samples": torch.ones(1, 16, 8, 8), "noise_mask": torch.ones(1, 64, 64)}}, "a mask"),
    ({"goal": "match"}, "A match needs a conditioning"),
    ({"goal": "beauty"}, "Goal is 'beauty'"),
    ({"steps": 0}, "Steps is 0"),
    ({"strength": float("nan")}, "Strength is nan"),
    ({"strength": 4.5}, r"Strength is 4\.5, and must be a number from 0 to 4"),
    ({"seed": -1}, "Seed is -1"),
]


@pytest.mark.parametrize(("wrong", "told"), WRONG)
def test_what_is_wrong_is_said(
    wrong: dict[str, Any], told: str, starflow: tuple[Model, Any], image: torch.Tensor
) -> None:
    with pytest.raises(ValueError, match=told):
        run("Ascent", **{"model": starflow[0], "image": image[:1], **QUICK, **wrong})
