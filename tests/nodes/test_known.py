"""What front ends know of models without loading them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from node_runs import run

from nodes import known
from starflow_core.weights.model_folder import EMBEDDED, load
from starflow_core.weights.store import Stored


@pytest.mark.parametrize("name", ["starflow-mini", "tarflow-mini"])
def test_sizes_are_those_that_the_sampler_draws(name: str) -> None:
    model, encoder, _ = run("Loader", model=name)
    given = run("TextEncode", text_encoder=encoder, text="") if encoder else run("ClassLabel", model=model)
    for ratio, size in known.drawn_sizes()[name].items():
        drawn = {"aspect_ratio": ratio, "guidance": 0.0, "denoise": "off", "tolerance": 0.5}
        samples = run("Sampler", model=model, positive=given, **drawn)["samples"]
        factor = model.pipeline.factor
        assert (samples.shape[-1] * factor, samples.shape[-2] * factor) == size


def test_model_of_one_size_has_no_other_ratio() -> None:
    assert known.drawn_sizes()["tarflow-mini"] == {"1:1": (32, 32)}
    assert set(known.drawn_sizes()["starflow-mini"]) == set(known.RATIOS)


def test_classes_are_those_of_all_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, broken = tmp_path / "zoo", tmp_path / "broken"
    for folder in (other, broken):
        folder.mkdir()
    config = (EMBEDDED / "tarflow-mini" / "config.json").read_text().replace('"cat"', '"okapi"', 1)
    (other / "config.json").write_text(config)
    (broken / "config.json").write_text("{")
    monkeypatch.setattr(known, "fetched", lambda: [Stored("zoo", other), Stored("broken", broken)])
    names = known.class_names()
    assert names[0] == known.AS_NAMED
    assert {"cat", "okapi"} <= set(names)
    assert len(names) == len(set(names))
    assert "broken" not in known.drawn_sizes()
    shutil.rmtree(other)
    assert "okapi" not in known.class_names()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ""),
        ({"name": "heart"}, "heart"),
        ({"class_name": "heart"}, "heart"),
        ({"name": " Heart ", "class_name": "heart"}, "heart"),
    ],
)
def test_class_is_chosen_from_the_list_or_by_its_name(given: dict[str, Any], expected: str) -> None:
    model = run("Loader", model="tarflow-mini")[0]
    labels, _ = run("ClassLabel", model=model, **given)[0]
    assert torch.equal(labels, load("tarflow-mini", device="cpu").classes.encode([expected]))


def test_two_different_classes_are_refused() -> None:
    model = run("Loader", model="tarflow-mini")[0]
    with pytest.raises(ValueError, match="Name is 'cat' and class name is 'heart'"):
        run("ClassLabel", model=model, name="cat", class_name="heart")
