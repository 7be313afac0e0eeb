from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from starflow_core.insight.anomaly import Anomaly
from starflow_core.insight.gaussian import Gaussian
from starflow_core.insight.noise_statistics import mean_squares, noise_statistics
from starflow_core.insight.tiles import Tiles
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load


@pytest.fixture(scope="module")
def eight_bit() -> Pipeline:
    return load("tarflow-mini-8bit", device="cpu", dtype=torch.float32)


def disc(seed: int, side: int = 32) -> Image.Image:
    """A disc of some colour and size on white, with a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    inside = np.hypot(x - rng.uniform(0.4, 0.6), y - rng.uniform(0.4, 0.6)) < rng.uniform(0.2, 0.35)
    picture = np.where(inside[..., None], rng.uniform(0, 200, 3), 255) + rng.normal(0, 3, (side, side, 3))
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def fitted(eight_bit: Pipeline) -> Anomaly:
    return Anomaly.fit(eight_bit, [disc(seed) for seed in range(60)], draws=1)


# Statistics


def test_statistics_are_those_of_their_definition() -> None:
    z = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = noise_statistics(z, 2)
    assert found.shape == (2, 3 + 3 + 3 + 3 + 6 + 1)
    one = z[1]
    across = [sum(float(c[i, j] * c[i, j + 1]) for i in range(4) for j in range(5)) / 20 for c in one]
    down = [sum(float(c[i, j] * c[i + 1, j]) for i in range(3) for j in range(6)) / 18 for c in one]
    places = [float((one[:, i : i + 2, j : j + 2] ** 2).mean()) for i in (0, 2) for j in (0, 2, 4)]
    channels = [float(c.mean()) for c in one] + [float((c**2).mean()) for c in one]
    expected = [*channels, *across, *down, *places, float(one.abs().max())]
    assert found[1].tolist() == pytest.approx(expected)
    assert mean_squares(z, 2)[1].flatten().tolist() == pytest.approx(places)


def test_gaussian_of_many_vectors_is_theirs() -> None:
    """With plenty of vectors nothing is shrunk, and the distance is the textbook's."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20_000, 3)) @ [[2.0, 1.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 3.0]] + [1, 2, 3]
    normal = Gaussian.fit(torch.from_numpy(vectors))
    others = rng.normal(size=(5, 3)) * 3
    inverse = np.linalg.inv(np.cov(vectors.T, bias=True))
    expected = [math.sqrt((one - vectors.mean(0)) @ inverse @ (one - vectors.mean(0))) for one in others]
    assert normal.distance(torch.from_numpy(others)).tolist() == pytest.approx(expected, rel=1e-2)


def test_correlations_are_shrunk_by_ledoit_and_wolfs_share() -> None:
    """Of their paper's formulas, number by number."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(9, 4)) @ rng.normal(size=(4, 4))
    standard = (vectors - vectors.mean(0)) / vectors.std(0)
    n, p = standard.shape
    sample = standard.T @ standard / n
    level = np.trace(sample) / p
    spread = ((sample - level * np.eye(p)) ** 2).sum()
    noise = sum(((np.outer(row, row) - sample) ** 2).sum() for row in standard) / n**2
    share = min(noise, spread) / spread
    inverse = np.linalg.inv(share * level * np.eye(p) + (1 - share) * sample)
    expected = [math.sqrt(row @ inverse @ row) for row in standard]
    found = Gaussian.fit(torch.from_numpy(vectors)).distance(torch.from_numpy(vectors))
    assert found.tolist() == pytest.approx(expected, rel=1e-6)


def test_numbers_that_never_change_count_for_nothing() -> None:
    vectors = torch.randn(30, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with_constant = torch.cat([vectors, torch.full((30, 1), 7.0, dtype=torch.float64)], 1)
    alone, both = Gaussian.fit(vectors), Gaussian.fit(with_constant)
    other = torch.tensor([1.0, 2.0, -50.0], dtype=torch.float64)
    assert float(both.distance(other)) == pytest.approx(float(alone.distance(other[:2])), rel=0.1)


# Tiles


@pytest.mark.parametrize(
    ("size", "scaled", "expected", "count"),
    [
        ((32, 32), False, (32, 32), 1),
        ((100, 100), True, (32, 32), 1),
        ((10, 20), False, (32, 64), 3),
        ((100, 50), True, (64, 32), 3),
        ((40, 32), False, (40, 32), 2),
        ((100, 50), False, (100, 50), 8),
    ],
)
def test_tiles_cover_the_picture(size: Any, scaled: bool, expected: Any, count: int) -> None:
    tiles = Tiles.of(Image.new("RGB", size), 32, scaled=scaled)
    assert tiles.image.size == expected
    assert len(tiles) == len(list(tiles)) == count
    covered = np.zeros(expected[::-1], bool)
    for (left, top), tile in zip(tiles.places, tiles, strict=True):
        assert tile.size == (32, 32)
        covered[top : top + 32, left : left + 32] = True
    assert covered.all()


def test_map_of_the_whole_has_what_its_tiles_have() -> None:
    tiles = Tiles.of(Image.new("RGB", (56, 32)), 32, scaled=False)
    joined = tiles.joined([torch.full((8, 8), 1.0), torch.full((8, 8), 3.0)])
    assert joined.shape == (8, 14)
    assert joined[0].tolist() == [1.0] * 6 + [2.0] * 2 + [3.0] * 6


# Scoring


def speckled(picture: Image.Image) -> Image.Image:
    """The picture with a square of noise in rows 4 to 11, columns 20 to 27."""
    noise = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    picture = picture.copy()
    picture.paste(Image.fromarray(noise), (20, 4))
    return picture


def test_odd_pictures_are_told_from_normal_ones(fitted: Anomaly) -> None:
    normal = [fitted.score(disc(seed)) for seed in range(100, 140)]
    for seed in range(5):
        found = fitted.score(speckled(disc(seed)))
        assert found.score > max(one.score for one in normal)
        assert found.p_value == pytest.approx(1 / 61)
        assert found.is_odd
        assert fitted.predict(speckled(disc(seed)))
    assert sum(one.is_odd for one in normal) <= 8
    assert np.mean([one.p_value for one in normal]) == pytest.approx(0.5, abs=0.2)


def test_picture_that_overflows_is_as_odd_as_can_be(fitted: Anomaly) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8))
    found = fitted.score(noise)
    assert found.score == 1e6
    assert found.map.isfinite().all()
    assert found.is_odd


def test_map_shows_where(fitted: Anomaly) -> None:
    found = fitted.score(speckled(disc(200))).map
    assert found.shape == (8, 8)
    assert divmod(int(found.argmax()), 8) in [(1, 5), (1, 6), (2, 5), (2, 6)]


def test_large_pictures_are_looked_at_tile_by_tile(eight_bit: Pipeline) -> None:
    scorer = Anomaly.fit(eight_bit, [disc(seed, 48) for seed in range(12)], draws=1)
    assert scorer.settings.tiled
    found = scorer.score(disc(50, 80))
    assert found.map.shape == (20, 20)
    assert not Anomaly.fit(eight_bit, [disc(seed, 40) for seed in range(12)], draws=1).settings.tiled


def test_scorer_comes_back_from_its_file(fitted: Anomaly, eight_bit: Pipeline, tmp_path: Path) -> None:
    fitted.save(tmp_path / "discs.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["discs.safetensors"]
    again = Anomaly.load(tmp_path / "discs.safetensors", eight_bit)
    assert again.settings == fitted.settings
    before, after = fitted.score(disc(300)), again.score(disc(300))
    assert (after.score, after.p_value) == (before.score, before.p_value)
    assert torch.equal(after.map, before.map)


def test_scorer_of_another_model_is_refused(fitted: Anomaly, tmp_path: Path) -> None:
    fitted.save(tmp_path / "discs.safetensors")
    other = load("tarflow-mini", device="cpu", dtype=torch.float32)
    with pytest.raises(ValueError, match="was fitted with the model 'tarflow-mini-8bit' of weights"):
        Anomaly.load(tmp_path / "discs.safetensors", other)


def test_damaged_and_foreign_files_are_refused(fitted: Anomaly, eight_bit: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "discs.safetensors"
    with pytest.raises(ValueError, match="There is no file"):
        Anomaly.load(path, eight_bit)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="no file of a scorer that this version reads"):
        Anomaly.load(path, eight_bit)
    fitted.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="or it is damaged; fit it again"):
        Anomaly.load(path, eight_bit)


@pytest.mark.parametrize(
    "change",
    [
        {"noise.mean": torch.zeros(3)},
        {"upright.whitening": torch.zeros(2, 2)},
        {"seams.distances": torch.zeros(0)},
        {"places": torch.zeros(2, 3, 3)},
        {"calibration": torch.zeros(0)},
        {"calibration": torch.full((60,), math.nan)},
        {"other": torch.zeros(1)},
    ],
)
def test_files_of_other_numbers_are_refused(
    fitted: Anomaly, eight_bit: Pipeline, tmp_path: Path, change: dict[str, torch.Tensor]
) -> None:
    told, tensors = saved(fitted, tmp_path)
    save_file(tensors | change, tmp_path / "changed.safetensors", told)
    with pytest.raises(ValueError, match="is damaged: its numbers are not those of a scorer"):
        Anomaly.load(tmp_path / "changed.safetensors", eight_bit)


@pytest.mark.parametrize("settings", ["", "[]", "{", '{"x": 1}', '{"draws": 0}', "7"])
def test_files_of_other_settings_are_refused(
    fitted: Anomaly, eight_bit: Pipeline, tmp_path: Path, settings: str
) -> None:
    told, tensors = saved(fitted, tmp_path)
    save_file(tensors, tmp_path / "changed.safetensors", told | {"settings": settings})
    with pytest.raises(ValueError, match="is damaged: its settings are none"):
        Anomaly.load(tmp_path / "changed.safetensors", eight_bit)


def saved(scorer: Anomaly, folder: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """The texts and the tensors of the scorer's file."""
    scorer.save(folder / "scorer.safetensors")
    with safe_open(folder / "scorer.safetensors", "pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


# Bad input


def test_folder_is_read_past_broken_files(eight_bit: Pipeline, tmp_path: Path) -> None:
    for seed in range(9):
        disc(seed).save(tmp_path / f"{seed}.png")
    (tmp_path / "broken.png").write_text("no picture")
    failed: list[str] = []
    scorer = Anomaly.fit(eight_bit, tmp_path, draws=1, failed=failed.append)
    assert len(scorer.calibration) == 9
    assert len(failed) == 1
    assert "broken.png" in failed[0]


def test_pictures_that_show_nothing_are_refused(eight_bit: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no picture in"):
        Anomaly.fit(eight_bit, tmp_path)
    with pytest.raises(ValueError, match="1 picture cannot show what is normal"):
        Anomaly.fit(eight_bit, [disc(0)])
    with pytest.raises(ValueError, match="All of these pictures are the same"):
        Anomaly.fit(eight_bit, [disc(0)] * 10, draws=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"draws": 0}, "draws is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"false_positive_rate": 0}, "false_positive_rate is 0"),
        ({"false_positive_rate": math.nan}, "false_positive_rate is nan"),
        ({"prompt": "unheard of"}, "There is no class"),
    ],
)
def test_settings_out_of_range_are_refused(eight_bit: Pipeline, settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Anomaly.fit(eight_bit, [disc(seed) for seed in range(9)], **settings)
