"""How likely pictures are, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from demo.cards import _words
from demo.gauge import gauges
from starflow_core.insight.likelihood import Likelihood
from starflow_core.insight.reference import Standing


def found(log_prob: float, error: float = 1.0) -> Likelihood:
    """With a standard error of two draws, half of their distance."""
    draws = torch.tensor([log_prob - error, log_prob + error], dtype=torch.float32)
    return Likelihood(log_prob, 0.0, torch.zeros(1, 1), draws, torch.zeros(1, 1))


def words(*likelihoods: Likelihood) -> list[str]:
    return [gauge.words for gauge in gauges(likelihoods)]


def test_pictures_of_a_run_are_ordered() -> None:
    assert words(found(-10), found(-40), found(0), found(-30)) == [
        "second likeliest of these 4",
        "least likely of these 4",
        "likeliest of these 4",
        "third likeliest of these 4",
    ]
    shares = [gauge.share for gauge in gauges([found(-10), found(-40), found(0), found(-30)])]
    assert shares == pytest.approx([0.75, 0.0, 1.0, 0.25])


def test_what_noise_hides_is_not_told_apart() -> None:
    assert words(found(0, error=20), found(-10, error=20)) == ["as likely as the other"] * 2
    assert words(found(0, 5), found(-3, 5), found(1, 5)) == ["as likely as the others"] * 3
    assert [gauge.share for gauge in gauges([found(0, 20), found(-10, 20)])] == [None, None]
    near = words(found(0), found(-1), found(-39), found(-40))
    assert near == [
        "likeliest of these 4",
        "about as likely as the likeliest",
        "about as unlikely as the least likely",
        "least likely of these 4",
    ]


def test_one_picture_alone_is_not_judged() -> None:
    (gauge,) = gauges([found(-10)])
    assert gauge.words == "draw more to compare it with"
    assert gauge.share is None


def test_single_draw_counts_as_exact() -> None:
    """It has no standard error."""
    first, second = (
        Likelihood(value, 0.0, torch.zeros(1, 1), torch.tensor([value]), torch.zeros(1, 1)) for value in (0.0, -1.0)
    )
    assert words(first, second) == ["likeliest of these 2", "least likely of these 2"]


# Beside what the model has learnt


def stood(found_: Likelihood, share: float) -> Likelihood:
    return replace(found_, standing=Standing(share, 160, "held out"))


def test_picture_alone_is_told_beside_what_the_model_has_learnt() -> None:
    likely = stood(found(10.0), 0.83)
    assert _words(gauges([likely])[0], likely, alone=True) == {"words": str(likely.standing), "standing": ""}
    unknown = found(10.0)  # of a model without a reference
    assert _words(gauges([unknown])[0], unknown, alone=True) == {
        "words": "draw more to compare it with",
        "standing": "",
    }


def test_several_pictures_are_told_beside_each_other_as_well() -> None:
    both = [stood(found(10.0), 0.83), stood(found(90.0), 0.99)]
    told = [_words(gauge, one, alone=False) for gauge, one in zip(gauges(both), both, strict=True)]
    assert [one["words"] for one in told] == ["least likely of these 2", "likeliest of these 2"]
    assert [one["standing"] for one in told] == [str(one.standing) for one in both]
