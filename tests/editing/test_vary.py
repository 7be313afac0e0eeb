from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from starflow_core.editing.vary import fresh_share, varied
from starflow_core.flow.noise import seeded_noise
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load


@pytest.fixture(scope="module")
def heart(pipeline: Pipeline) -> Image.Image:
    return pipeline.generate("red heart", seed=1)[0]


def distance(first: Image.Image, second: Image.Image) -> float:
    return float(np.abs(np.asarray(first, float) - np.asarray(second, float)).mean())


def test_mixed_noise_keeps_its_variance_and_goes_from_one_to_the_other() -> None:
    noise, fresh = seeded_noise((100_000,), 0, 2)
    assert torch.equal(varied(noise, fresh, 0), noise)
    torch.testing.assert_close(varied(noise, fresh, 1), fresh)
    for strength in (0.2, 0.5, 0.9):
        mixed = varied(noise, fresh, strength)
        assert mixed.std() == pytest.approx(1, abs=0.01)
        assert float((mixed * fresh).mean()) == pytest.approx(fresh_share(strength), abs=0.02)


def test_share_of_fresh_noise_grows_from_none_to_all() -> None:
    shares = [fresh_share(strength / 10) for strength in range(11)]
    assert shares == sorted(set(shares))
    assert (shares[0], shares[-1]) == (0, 1)


def test_strength_goes_from_the_picture_to_what_is_drawn_of_the_seed(pipeline: Pipeline, heart: Image.Image) -> None:
    kept, some, much, drawn = (pipeline.vary(heart, s, "red heart", seed=9)[0] for s in (0, 0.3, 0.7, 1))
    assert distance(kept, heart) == 0
    assert distance(drawn, pipeline.generate("red heart", seed=9)[0]) == 0
    assert 0 < distance(some, heart) < distance(much, heart)


def test_little_strength_changes_little(pipeline: Pipeline, heart: Image.Image) -> None:
    back = pipeline.reconstruct(heart, "red heart").image  # all but the loss of the autoencoder
    assert distance(pipeline.vary(heart, 0.01, "red heart")[0], back) < 0.1 * distance(heart, back) + 0.2


def test_seeds_are_those_of_drawing_whatever_the_count(pipeline: Pipeline, heart: Image.Image) -> None:
    together = pipeline.vary(heart, 0.5, seed=3, count=3, denoise=False, guidance=0.0)
    alone = pipeline.vary(heart, 0.5, seed=5, denoise=False, guidance=0.0)[0]
    assert len(together) == 3
    assert np.abs(np.asarray(together[2], int) - np.asarray(alone, int)).max() <= 1
    assert distance(together[0], together[1]) > 0


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), "1", True, None])
def test_strength_out_of_range_is_told(pipeline: Pipeline, heart: Image.Image, strength: Any) -> None:
    with pytest.raises(ValueError, match=r"strength is .*; it must be a number from 0 to 1 \(0 keeps the picture"):
        pipeline.vary(heart, strength)


def test_what_an_edit_cannot_do_is_told(pipeline: Pipeline, heart: Image.Image) -> None:
    with pytest.raises(ValueError, match="best_of is 2; an edit has no candidates"):
        pipeline.vary(heart, 0.5, best_of=2)
    with pytest.raises(ValueError, match="A prompt must be text"):
        pipeline.vary(heart, 0.5, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="colour"):
        pipeline.vary(heart, 0.5, colour="red")


def test_model_of_classes_takes_their_names(heart: Image.Image) -> None:
    plain = load("tarflow-mini-8bit", device="cpu")
    plain = Pipeline(plain.flow, None, None, name="plain", classes=plain.classes)
    assert plain.is_conditional
    assert plain.vary(heart, 0.5, plain.classes.names[0])[0].size == (32, 32)
    with pytest.raises(ValueError, match="no class"):
        plain.vary(heart, 0.5, "no such thing")
