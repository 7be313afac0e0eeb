from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from starflow_core.cli import main as cli
from starflow_core.insight.anomaly import Anomaly
from starflow_core.insight.measures import AnomalyMeasure
from starflow_core.insight.oddity import Settings
from starflow_core.insight.ratio import LikelihoodRatio, bits_by_place
from starflow_core.insight.scorers import load_scorer
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load


@pytest.fixture(scope="module")
def eight_bit() -> Pipeline:
    return load("tarflow-mini-8bit", device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def fitted(pipeline: Pipeline, eight_bit: Pipeline) -> LikelihoodRatio:
    return LikelihoodRatio.fit(pipeline, eight_bit, [square(seed) for seed in range(12)], draws=1)


def square(seed: int, side: int = 64) -> Image.Image:
    """A square of some colour on white, with a little noise."""
    rng = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), 255.0)
    left, top = rng.integers(side // 8, side // 4, 2)
    pixels[top : top + side // 2, left : left + side // 2] = rng.uniform(0, 200, 3)
    return Image.fromarray((pixels + rng.normal(0, 2, pixels.shape)).clip(0, 255).astype(np.uint8))


def bits(pipeline: Pipeline, picture: Image.Image) -> float:
    """Bits per pixel, as `Pipeline.score` says them."""
    return -pipeline.score(picture, draws=1).log_prob / math.log(2) / pipeline.trained_side**2


def test_score_is_the_difference_of_bits_per_pixel(
    fitted: LikelihoodRatio, pipeline: Pipeline, eight_bit: Pipeline
) -> None:
    picture = square(100)
    found = fitted.score(picture)
    small = picture.resize((32, 32), Image.Resampling.LANCZOS)
    assert found.score == pytest.approx(bits(pipeline, picture) - bits(eight_bit, small), rel=1e-4)
    assert found.map.shape == (8, 8)


def test_mean_of_a_map_of_bits_is_that_of_the_picture(pipeline: Pipeline) -> None:
    picture = square(3)
    (found,) = bits_by_place(pipeline, [picture], pipeline.condition([""]), Settings(draws=1))
    assert float(found.mean()) == pytest.approx(bits(pipeline, picture), rel=1e-5)


def test_p_value_counts_normal_pictures_as_odd(fitted: LikelihoodRatio) -> None:
    usual = [fitted.score(square(seed)) for seed in range(12)]
    assert sorted(one.score for one in usual) == pytest.approx(fitted.calibration.tolist())
    assert sorted(one.p_value for one in usual) == pytest.approx([(1 + k) / 13 for k in range(1, 13)], abs=0.08)
    (together, _) = fitted.score_all([square(5), square(6)])
    assert together.score == pytest.approx(usual[5].score, rel=1e-4)


def test_overflow_under_either_model_is_as_odd_as_can_be(
    fitted: LikelihoodRatio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lost in (fitted.pipeline, fitted.broader):

        def bits(pipeline: Pipeline, images: Any, *given: Any, lost: Pipeline = lost) -> torch.Tensor:
            side = pipeline.flow.config.trained_side
            return torch.full((len(images), side, side), math.inf if pipeline is lost else 1.0)

        monkeypatch.setattr("starflow_core.insight.ratio.bits_by_place", bits)
        found = fitted.score(square(0))
        assert found.score == 1e6
        assert found.p_value == pytest.approx(1 / 13)
        assert found.map.isfinite().all()


def test_scorer_comes_back_with_both_models_and_no_others(
    fitted: LikelihoodRatio, pipeline: Pipeline, eight_bit: Pipeline, tmp_path: Path
) -> None:
    file = tmp_path / "ratio.safetensors"
    fitted.save(file)
    assert file.stat().st_size < 10_000
    expected = fitted.score(square(300))
    for again in (LikelihoodRatio.load(file, pipeline, eight_bit), load_scorer(file, pipeline, eight_bit)):
        found = again.score(square(300))
        assert (found.score, found.p_value) == (expected.score, expected.p_value)
        assert torch.equal(found.map, expected.map)
    assert load_scorer(file, pipeline).broader.name == "tarflow-mini-8bit"
    other = load("tarflow-mini", device="cpu", dtype=torch.float32)
    with pytest.raises(ValueError, match="was fitted with the broader model 'tarflow-mini-8bit' of weights"):
        LikelihoodRatio.load(file, pipeline, other)
    with pytest.raises(ValueError, match="was fitted with the model 'starflow-mini' of weights"):
        LikelihoodRatio.load(file, other, eight_bit)
    changed = copy.copy(eight_bit)
    changed.flow = copy.deepcopy(eight_bit.flow)
    next(changed.flow.parameters()).data += 1
    with pytest.raises(ValueError, match="was fitted with the broader model"):
        LikelihoodRatio.load(file, pipeline, changed)
    with pytest.raises(ValueError, match="no file of a scorer that this version reads"):
        Anomaly.load(file, pipeline)


def test_model_against_itself_says_nothing(pipeline: Pipeline) -> None:
    with pytest.raises(ValueError, match="'starflow-mini' is the model itself, and every ratio is 1"):
        LikelihoodRatio.fit(pipeline, pipeline, [square(seed) for seed in range(9)])


def test_pictures_that_show_nothing_are_refused(pipeline: Pipeline, eight_bit: Pipeline) -> None:
    with pytest.raises(ValueError, match="1 picture cannot show what is normal"):
        LikelihoodRatio.fit(pipeline, eight_bit, [square(0)], draws=1)
    with pytest.raises(ValueError, match="All of these pictures are the same"):
        LikelihoodRatio.fit(pipeline, eight_bit, [square(0)] * 9, draws=1)


def test_workers_get_both_models_without_their_text(fitted: LikelihoodRatio) -> None:
    measure = AnomalyMeasure(fitted)
    sent = measure.for_workers()
    assert isinstance(sent.scorer, LikelihoodRatio)
    assert sent.scorer.pipeline.text_encoder is None
    assert sent.scorer.broader.text_encoder is None
    assert fitted.pipeline.text_encoder is not None
    pictures = [measure.fitted(square(seed)) for seed in (1, 2)]
    assert [one.score for one in sent.measure(pictures)] == [one.score for one in measure.measure(pictures)]


def test_command_fits_and_scores_by_both_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good").mkdir()
    for seed in range(9):
        square(seed).save(f"good/{seed}.png")
    models = ("--model", "starflow-mini", "--broader", "tarflow-mini-8bit", "--draws", "1")
    assert cli.main(["anomaly", "fit", "good", "-o", "ratio.safetensors", *models]) == 0
    capsys.readouterr()
    assert cli.main(["anomaly", "score", "ratio.safetensors", "good/3.png", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"image", "score", "p_value", "is_odd"}
    assert 0 < found["p_value"] <= 1
    assert cli.main(["anomaly", "score", "ratio.safetensors", "good/3.png", "--broader", "tarflow-mini"]) == 1
    assert "was fitted with the broader model 'tarflow-mini-8bit'" in capsys.readouterr().err
    assert cli.main(["anomaly", "fit", "good", "-o", "a.safetensors", *models[:2], "--broader", "starflow-mini"]) == 1
    assert "is the model itself" in capsys.readouterr().err
