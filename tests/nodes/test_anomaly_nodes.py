"""STARFlow Anomaly Fit and STARFlow Anomaly Score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from node_runs import run

from nodes import convert
from nodes.values import Image, Model, Scorer
from starflow_core import Anomaly


@pytest.fixture(scope="module")
def normal(pipeline: Any) -> Image:
    """Hearts, varied."""
    return convert.image(pipeline.generate("a red heart", count=16, temperature=1.0, seed=0))


@pytest.fixture(scope="module")
def scorer(starflow: tuple[Model, Any], normal: Image) -> Scorer:
    made: Scorer = run("AnomalyFit", model=starflow[0], image=normal, draws=1)
    return made


def test_scores_are_those_of_the_library(scorer: Scorer, normal: Image, pipeline: Any) -> None:
    odd = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    batch = torch.cat([normal[:2], odd])
    scores, p_values, heatmap, mask = run("AnomalyScore", anomaly=scorer, image=batch)
    expected = Anomaly.fit(pipeline, convert.pictures(normal), draws=1)
    found = [expected.score(picture) for picture in convert.pictures(batch)]
    assert scores == pytest.approx([one.score for one in found], rel=1e-3)
    assert p_values == [one.p_value for one in found]
    assert p_values[2] == pytest.approx(1 / 17)
    assert scores[2] > max(scores[:2])
    assert heatmap.shape == (3, 64, 64, 3)
    assert mask.shape == (3, 64, 64)
    assert float(mask[2].mean()) > float(mask[:2].mean())


def test_large_pictures_have_maps_of_their_size(scorer: Scorer) -> None:
    image = torch.rand(1, 90, 150, 3, generator=torch.Generator().manual_seed(0))
    _, _, heatmap, mask = run("AnomalyScore", anomaly=scorer, image=image)
    assert heatmap.shape == (1, 90, 150, 3)
    assert mask.shape == (1, 90, 150)


def test_flow_of_classes_can_learn_what_is_normal(tarflow: Model) -> None:
    image = torch.rand(9, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    scorer = run("AnomalyFit", model=tarflow, image=image / 4 + 0.5, draws=1)
    assert len(run("AnomalyScore", anomaly=scorer, image=image)[0]) == 9


def test_too_few_pictures_are_refused(starflow: tuple[Model, Any], normal: Image) -> None:
    with pytest.raises(ValueError, match="3 pictures cannot show what is normal; give 8 at least"):
        run("AnomalyFit", model=starflow[0], image=normal[:3])


def test_file_of_the_command_is_loaded(tarflow: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARFLOW_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    with pytest.raises(ValueError, match=r"No file is chosen\. Make one with `starflow anomaly fit .*models"):
        run("AnomalyLoad", model=tarflow)
    image = torch.rand(9, 32, 32, 3, generator=torch.Generator().manual_seed(0)) / 4 + 0.5
    fitted = run("AnomalyFit", model=tarflow, image=image, draws=1)
    fitted.anomaly.save(tmp_path / "models" / "good.safetensors")
    loaded = run("AnomalyLoad", model=tarflow, file="good.safetensors")
    assert run("AnomalyScore", anomaly=loaded, image=image)[0] == run("AnomalyScore", anomaly=fitted, image=image)[0]
    with pytest.raises(ValueError, match=r"File is 'other.safetensors', and must be one of none, good.safetensors"):
        run("AnomalyLoad", model=tarflow, file="other.safetensors")


def test_file_of_another_model_is_refused(
    tarflow: Model, starflow: tuple[Model, Any], scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARFLOW_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    scorer.anomaly.save(tmp_path / "models" / "hearts.safetensors")
    with pytest.raises(ValueError, match="was fitted with the model 'starflow-mini'"):
        run("AnomalyLoad", model=tarflow, file="hearts.safetensors")
