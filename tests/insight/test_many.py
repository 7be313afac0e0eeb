from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import starflow_core
from starflow_core.insight import measure as base
from starflow_core.insight.many import Source, measured
from starflow_core.insight.measures import AnomalyMeasure, MatchMeasure, ScoreMeasure
from starflow_core.insight.reading import read_ahead
from starflow_core.pipeline import Pipeline

SIZES = [(64, 64), (70, 60), (64, 64), (40, 90), (70, 60)]


def gradient(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A picture (height, width, 3) from dark to light, with a little noise."""
    pixels = np.linspace(rng.uniform(0, 99), 200, width)[None, :, None] + rng.normal(0, 2, (height, width, 3))
    return pixels.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number, size in enumerate(SIZES):
        Image.fromarray(gradient(rng, *size)).save(folder / f"{number}.png")
    return [str(file) for file in sorted(folder.iterdir())]


def sources(*files: str) -> list[Source]:
    return [Source(file, file) for file in files]


def test_scores_are_those_of_each_picture_alone(pipeline: Pipeline, files: list[str]) -> None:
    measure = ScoreMeasure(pipeline, "a red heart", draws=2, seed=3)
    assert measure.at_once >= len(files)
    (batch,) = measured(measure, sources(*files))
    for file, found in zip(files, batch, strict=True):
        alone = pipeline.score(file, "a red heart", draws=2, seed=3)
        row = measure.row(file, found.picture, found.result, found.error)
        assert row["log_prob"] == pytest.approx(alone.log_prob, rel=1e-5)
        assert row["bits_per_dim"] == pytest.approx(alone.bits_per_dim, rel=1e-5)
        assert row["standard_error"] == pytest.approx(alone.standard_error, rel=1e-3)
        assert found.result.map == pytest.approx(alone.map, rel=1e-3, abs=1e-3)
        assert found.result.noise_map == pytest.approx(alone.noise_map, rel=1e-3, abs=1e-3)
        assert found.result.draws == pytest.approx(alone.draws, rel=1e-5)


def test_draws_beyond_those_computed_together_are_the_same(pipeline: Pipeline, files: list[str]) -> None:
    batches = measured(ScoreMeasure(pipeline, draws=11), sources(*files[:2]))
    for file, found in zip(files[:2], itertools.chain(*batches), strict=True):
        assert found.result.draws == pytest.approx(pipeline.score(file, draws=11).draws, rel=1e-5)


def test_matches_are_those_of_each_picture_alone(pipeline: Pipeline, files: list[str]) -> None:
    measure = MatchMeasure(pipeline, ["cat", "dog"], draws=2, seed=3)
    (batch,) = measured(measure, sources(*files))
    for file, found in zip(files, batch, strict=True):
        alone = pipeline.match(file, ["cat", "dog"], draws=2, seed=3)
        row = measure.row(file, found.picture, found.result, found.error)
        assert row["best"] == alone.best
        assert row["scores"] == pytest.approx(alone.scores.tolist(), rel=1e-3, abs=1e-2)
        assert row["posterior"] == pytest.approx(alone.posterior.tolist(), abs=1e-3)


@pytest.mark.parametrize("tiled", [False, True])
def test_oddness_is_that_of_each_picture_alone(tiled: bool, files: list[str]) -> None:
    pipeline = starflow_core.load("tarflow-mini-8bit", device="cpu")
    rng = np.random.default_rng(1)
    normal = [gradient(rng, 32, 32) for _ in range(10)]
    scorer = starflow_core.Anomaly.fit(pipeline, normal, draws=1, tiled=tiled)
    together = scorer.score_all(files)
    found = [one for batch in measured(AnomalyMeasure(scorer), sources(*files)) for one in batch]
    for file, first, second in zip(files, together, found, strict=True):
        alone = scorer.score(file)
        for result in (first, second.result):
            assert result.score == pytest.approx(alone.score, rel=1e-4)
            assert (result.p_value, result.is_odd) == (alone.p_value, alone.is_odd)
            assert result.map == pytest.approx(alone.map, rel=1e-2, abs=1e-2)


def test_what_is_wrong_with_one_concerns_it_alone(
    pipeline: Pipeline, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken file, a picture for which numbers overflow, and one that nobody found."""
    (tmp_path / "broken.png").write_text("no picture")
    measure = ScoreMeasure(pipeline, draws=1)
    encode = pipeline.encode_all

    def overflowing(images: list[Image.Image]) -> Any:
        x = encode(images)
        for n, image in enumerate(images):
            x[n] *= 1e30 if image.getpixel((0, 0)) == odd else 1
        return x

    odd = measure.read(files[2], "").image.getpixel((0, 0))
    monkeypatch.setattr(pipeline, "encode_all", overflowing)
    given = [*sources(files[0], str(tmp_path / "broken.png"), files[2]), Source("gone", ValueError("It is gone."))]
    found = [one for batch in measured(measure, [*given, *sources(files[4])]) for one in batch]
    assert [one.error is None for one in found] == [True, False, False, False, True]
    assert "broken.png is no picture" in str(found[1].error)
    assert "overflows" in str(found[2].error)
    assert (found[3].name, found[3].error) == ("gone", "It is gone.")
    assert found[4].result.log_prob == pytest.approx(pipeline.score(files[4], draws=1).log_prob, rel=1e-5)
    row = measure.row(found[1].name, None, None, found[1].error)
    assert list(row) == [column.name for column in measure.columns]
    assert (row["log_prob"], row["draws"]) == (None, 1)


def test_no_pictures_give_no_batches(pipeline: Pipeline) -> None:
    assert list(measured(ScoreMeasure(pipeline), [])) == []


def test_bytes_of_a_file_are_read_as_the_file(pipeline: Pipeline, files: list[str]) -> None:
    measure = ScoreMeasure(pipeline, draws=1)
    encoded = Path(files[1]).read_bytes()
    ((first, second, broken),) = measured(
        measure, [*sources(files[1]), Source("mine", encoded), Source("half", encoded[:99])]
    )
    assert first.result.log_prob == second.result.log_prob
    assert broken.error.startswith("half ")


def test_settings_tell_models_apart(pipeline: Pipeline, files: list[str]) -> None:
    settings = ScoreMeasure(pipeline).settings
    other = ScoreMeasure(starflow_core.load("tarflow-mini", device="cpu")).settings
    assert settings["weights"] != other["weights"]
    assert settings | {"draws": 2} == ScoreMeasure(pipeline, draws=2).settings
    assert set(settings) == {"prompt", "draws", "seed", "model", "weights", "dtype"}


def test_copy_for_workers_has_no_text_encoder(pipeline: Pipeline, files: list[str]) -> None:
    measure = MatchMeasure(pipeline, ["cat"], draws=1)
    copied = measure.for_workers()
    assert copied.pipeline.text_encoder is None
    assert pipeline.text_encoder is not None
    ((first,),), ((second,),) = measured(measure, sources(files[0])), measured(copied, sources(files[0]))
    assert first.result.scores.tolist() == second.result.scores.tolist()


@pytest.mark.parametrize(("name", "shown"), [("a\udcff.png", "a\\udcff.png"), ("кот, \n.png", "кот, \n.png")])
def test_names_in_tables_can_be_written(name: str, shown: str) -> None:
    assert base.in_table(name) == shown


def test_the_next_batch_is_read_meanwhile() -> None:
    begun = [threading.Event() for _ in range(3)]

    def read(number: int) -> int:
        begun[number].set()
        return number

    batches = read_ahead(read, [[0], [1], [2]])
    assert next(batches) == [0]
    assert begun[1].wait(10)
    assert not begun[2].is_set()
    assert list(batches) == [[1], [2]]
