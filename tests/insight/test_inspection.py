"""One score of the oddest place, the oddest tile and the whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from own_pictures import write_pictures
from PIL import Image
from tiny import TINY_TARFLOW, random_flow

from starflow_core.cli import main as cli
from starflow_core.flow.flow import Flow
from starflow_core.insight.anomaly import Anomaly
from starflow_core.insight.inspection import PARTS, Inspection
from starflow_core.insight.looking import CONTENT, Seen
from starflow_core.pipeline import Pipeline
from starflow_core.weights import model_folder

TILES, SIDE, F = 20, 4, 6


def seen(seed: int) -> Seen:
    """Normal tiles."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64)  # noqa: E731
    return Seen({CONTENT: draw(TILES, F)}, 1 + 0.1 * draw(TILES, SIDE, SIDE), -5 - 0.1 * draw(TILES, SIDE, SIDE))


@pytest.fixture(scope="module")
def fitted() -> Inspection:
    normal = Inspection.fit([seen(seed) for seed in range(200)])
    return normal.with_spread(torch.stack([normal.measured(seen(seed)) for seed in range(200, 400)]))


def parts_of(fitted: Inspection, one: Seen) -> dict[str, float]:
    return dict(zip(PARTS, fitted.standard(fitted.measured(one)).tolist(), strict=True))


def largest(parts: dict[str, float]) -> str:
    return max(parts, key=parts.__getitem__)


def test_normal_pictures_are_within_a_few_deviations(fitted: Inspection) -> None:
    found = torch.tensor([list(parts_of(fitted, seen(seed)).values()) for seed in range(400, 500)])
    assert found.mean(0).abs().max() < 0.4
    assert found.max() < 6


@pytest.mark.parametrize("kind", ["squares", "log_probs"])
def test_one_odd_place_is_the_oddest_place(kind: str, fitted: Inspection) -> None:
    one = seen(999)
    getattr(one, kind)[7, 1, 2] += 3 if kind == "squares" else -3
    parts = parts_of(fitted, one)
    assert largest(parts) == "oddest place"
    assert parts["oddest place"] > 10
    assert fitted.oddness(one)[7].argmax() == 1 * SIDE + 2


def test_odd_statistics_of_one_tile_are_the_oddest_tile(fitted: Inspection) -> None:
    one = seen(999)
    one.vectors[CONTENT][3] += 5
    assert largest(parts_of(fitted, one)) == "oddest tile"


@pytest.mark.parametrize("kind", ["statistics", "log_probs"])
def test_a_slight_change_everywhere_is_that_of_the_whole(kind: str, fitted: Inspection) -> None:
    one = seen(999)
    (one.vectors[CONTENT] if kind == "statistics" else one.log_probs).add_(0.8 if kind == "statistics" else -0.1)
    parts = parts_of(fitted, one)
    assert largest(parts) == "whole"
    assert parts["whole"] > 5


def test_numbers_that_overflow_are_the_oddest(fitted: Inspection) -> None:
    one = seen(999)
    one.squares[0, 0, 0] = torch.nan
    one.vectors[CONTENT][0] = torch.inf
    assert max(parts_of(fitted, one).values()) == pytest.approx(1e6)


# In the scorer


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    flow: Flow = random_flow(replace(TINY_TARFLOW, num_classes=0))
    return Pipeline(flow, None, None, name="tiny")


def test_scorer_of_large_pictures_tells_its_parts_and_keeps_them(pipeline: Pipeline, tmp_path: Path) -> None:
    scorer = Anomaly.fit(pipeline, write_pictures(tmp_path / "good", 10), draws=1)
    assert scorer.settings.tiled
    pixels = np.asarray(Image.open(tmp_path / "good" / "03.png")).copy()
    usual = scorer.score(pixels)
    pixels[4:12, 4:12] = 255 * np.random.default_rng(0).integers(0, 2, (8, 8, 3))
    odd = scorer.score(pixels)
    assert odd.score == max(odd.parts.values()) > usual.score
    assert odd.map.shape == (10, 12)
    scorer.save(tmp_path / "scorer.safetensors")
    again = Anomaly.load(tmp_path / "scorer.safetensors", pipeline).score(pixels)
    assert (again.score, again.parts) == (odd.score, odd.parts)


def test_p_values_are_those_of_pictures_to_calibrate_on(pipeline: Pipeline, tmp_path: Path) -> None:
    good = write_pictures(tmp_path / "good", 10)
    others = write_pictures(tmp_path / "others", 9, seed=50)
    scorer = Anomaly.fit(pipeline, good, draws=1, calibrate=others)
    scores = sorted(scorer.score(path).score for path in others.iterdir())
    assert scorer.calibration.tolist() == pytest.approx(scores)
    assert scorer.score(max(others.iterdir(), key=lambda path: scorer.score(path).score)).p_value == 0.2
    with pytest.raises(ValueError, match="1 picture cannot show what is normal"):
        Anomaly.fit(pipeline, good, draws=1, calibrate=[good / "00.png"])


def test_command_tells_which_part_is_odd(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model_folder.save(pipeline, "tiny")
    write_pictures(tmp_path / "good", 10)
    write_pictures(tmp_path / "others", 8, seed=50)
    fit = ["anomaly", "fit", "good", "-o", "good.safetensors", "--calibrate", "others", "--model", "tiny"]
    assert cli.main([*fit, "--draws", "1"]) == 0
    assert "8 normal pictures to calibrate, looked at tile by tile" in capsys.readouterr().out
    assert cli.main(["anomaly", "score", "good.safetensors", "good/00.png", "--model", "tiny"]) == 0
    assert " by its " in capsys.readouterr().out
    assert cli.main(["anomaly", "score", "good.safetensors", "good/00.png", "--model", "tiny", "--json"]) == 0
    assert '"parts": {"oddest place": ' in capsys.readouterr().out
