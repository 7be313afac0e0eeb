"""STARFlow Match and STARFlow Pick Likeliest."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from node_runs import run

from nodes import convert
from nodes.values import Image, Model
from starflow_core import PromptWarning

PROMPTS = "a green frog\n\n  a red heart \na blue car"


@pytest.fixture(scope="module")
def drawn(pipeline: Any) -> Image:
    """A heart and a frog."""
    return convert.image(pipeline.generate(["a red heart", "a green frog"], seed=3))


def test_match_says_what_the_library_says(starflow: tuple[Model, Any], drawn: Image, pipeline: Any) -> None:
    model, _ = starflow
    best, heatmap, scores, probabilities, report = run(
        "Match", model=model, image=drawn, prompts=PROMPTS, draws=2, seed=5
    )
    prompts = ["a green frog", "a red heart", "a blue car"]
    found = [pipeline.match(one, prompts, draws=2, seed=5) for one in convert.pictures(drawn)]
    assert best == [one.best for one in found] == ["a red heart", "a green frog"]
    assert scores == pytest.approx([float(one.scores.max()) for one in found], abs=0.05)
    assert probabilities == pytest.approx([float(one.posterior.max()) for one in found], abs=1e-4)
    assert heatmap.shape == drawn.shape
    first, second = report.split("\n\n")
    assert first.splitlines()[0].endswith(" nats: a red heart")
    assert second.splitlines()[0].endswith(" nats: a green frog")
    assert len(first.splitlines()) == len(second.splitlines()) == 3


def test_words_that_are_not_understood_are_told(starflow: tuple[Model, Any], drawn: Image) -> None:
    with pytest.warns(PromptWarning, match="Not understood in “red xyzzy”: “xyzzy”"):
        run("Match", model=starflow[0], image=drawn[:1], prompts="a green frog\nred xyzzy", draws=1)


def test_match_takes_names_of_classes(tarflow: Model) -> None:
    image = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    best, _, scores, _, _ = run("Match", model=tarflow, image=image, prompts="cat\nheart", draws=1)
    assert best[0] in ("cat", "heart")
    assert len(scores) == 1
    with pytest.raises(ValueError, match="There is no class 'unheard of'"):
        run("Match", model=tarflow, image=image, prompts="unheard of")


@pytest.mark.parametrize("prompts", ["", " \n\n "])
def test_match_without_a_prompt_is_refused(starflow: tuple[Model, Any], drawn: Image, prompts: str) -> None:
    with pytest.raises(ValueError, match="There is no prompt to match; write one a line"):
        run("Match", model=starflow[0], image=drawn, prompts=prompts)


def test_picked_are_those_that_the_prompt_explains_best(
    starflow: tuple[Model, Any], drawn: Image, pipeline: Any
) -> None:
    model, encoder = starflow
    batch = torch.cat([drawn, torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0)), drawn.flip(2)])
    given = run("TextEncode", text_encoder=encoder, text="a green frog")
    picked, scores = run("PickLikeliest", model=model, image=batch, conditioning=given, count=5, draws=2)
    expected = [float(pipeline.match(one, ["a green frog"], draws=2).scores) for one in convert.pictures(batch)]
    order = sorted(range(5), key=lambda place: -expected[place])
    assert torch.equal(picked, batch[order])
    assert scores == pytest.approx([expected[place] for place in order], abs=0.05)
    assert order[0] in (1, 4)
    best, (score,) = run("PickLikeliest", model=model, image=batch, conditioning=given, draws=2)
    assert torch.equal(best, batch[order[:1]])
    assert score == scores[0]


def test_without_a_prompt_the_likeliest_are_picked(starflow: tuple[Model, Any], drawn: Image, pipeline: Any) -> None:
    batch = torch.cat([torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0)), drawn])
    picked, scores = run("PickLikeliest", model=starflow[0], image=batch, count=2, draws=2)
    expected = [pipeline.score(one, draws=2).log_prob for one in convert.pictures(batch)]
    order = sorted(range(3), key=lambda place: -expected[place])[:2]
    assert 0 not in order
    assert torch.equal(picked, batch[order])
    assert scores == pytest.approx([expected[place] for place in order], rel=1e-4)


def test_prompt_of_another_length_can_be_picked_by(starflow: tuple[Model, Any], drawn: Image) -> None:
    """Conditioning (Concat) makes such."""
    model, encoder = starflow
    ((features, more),) = run("TextEncode", text_encoder=encoder, text="a green frog")
    joined = [[torch.cat([features, features], 1), more]]
    picked, _ = run("PickLikeliest", model=model, image=drawn, conditioning=joined, draws=1)
    assert picked.shape == (1, 64, 64, 3)


def test_classes_can_be_picked_by(tarflow: Model) -> None:
    image = torch.rand(3, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    given = run("ClassLabel", model=tarflow, name="cat")
    picked, scores = run("PickLikeliest", model=tarflow, image=image, conditioning=given, count=2, draws=1)
    assert picked.shape == (2, 32, 32, 3)
    assert scores == sorted(scores, reverse=True)
