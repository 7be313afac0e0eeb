"""Whether a flow's noise is Gaussian."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY_TARFLOW, random_flow

from starflow_core.codecs.classes import Classes
from starflow_core.insight.calibration import (
    LEVELS,
    Calibration,
    Fit,
    distances,
    gaussian_quantiles,
    half_width,
)
from starflow_core.insight.likelihood import with_training_noise
from starflow_core.pipeline import Pipeline


def gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pixels(number: int) -> list[np.ndarray]:
    return [np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8) for seed in range(number)]


def pipeline() -> Pipeline:
    return Pipeline(
        random_flow(dataclasses.replace(TINY_TARFLOW, noise_std=0.1)),
        None,
        None,
        name="tiny",
        classes=Classes(("cat", "dog", "wild")),
    )


# Fits


def test_gaussian_numbers_fit() -> None:
    fit = Fit.of(gaussian(40_000))
    assert fit.count == 40_000
    assert (fit.mean, fit.deviation) == pytest.approx((0, 1), abs=0.02)
    assert fit.kurtosis == pytest.approx(0, abs=0.1)
    assert fit.distance < 1.63 / math.sqrt(40_000)  # exceeded by one in a hundred Gaussian samples
    assert fit.coverage == pytest.approx(LEVELS, abs=0.01)


@pytest.mark.parametrize(
    ("values", "distance", "coverage"),
    [
        (2 * gaussian(40_000), 0.163, (0.264, 0.589, 0.802)),  # the model was twice too sure
        (gaussian(40_000) + 1, 0.383, None),
        (torch.zeros(1_000), 0.5, (1.0, 1.0, 1.0)),
    ],
)
def test_other_numbers_do_not(values: torch.Tensor, distance: float, coverage: tuple[float, ...] | None) -> None:
    fit = Fit.of(values)
    assert fit.distance == pytest.approx(distance, abs=0.01)
    if coverage:
        assert fit.coverage == pytest.approx(coverage, abs=0.01)


def test_kurtosis_tells_outliers() -> None:
    assert Fit.of(torch.distributions.Laplace(0.0, 1.0).icdf(torch.linspace(0.0005, 0.9995, 1000))).kurtosis > 2
    assert Fit.of(torch.linspace(-1, 1, 1000)).kurtosis == pytest.approx(-1.2, abs=0.01)


def test_distance_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for values in (gaussian(50), 3 * gaussian(7, seed=1), gaussian(200, seed=2) - 0.4):
        expected = stats.kstest(values.numpy(), "norm").statistic
        assert float(distances(values[:, None])[0]) == pytest.approx(expected, abs=1e-9)
    both = torch.stack([gaussian(60), 2 * gaussian(60)], 1)
    assert distances(both).tolist() == pytest.approx([float(distances(both[:, i : i + 1])[0]) for i in range(2)])


def test_intervals_are_those_of_a_gaussian() -> None:
    assert [half_width(level) for level in LEVELS] == pytest.approx([0.6745, 1.6449, 2.5758], abs=1e-4)


def test_one_number_has_no_distribution() -> None:
    with pytest.raises(ValueError, match="1 numbers"):
        Fit.of(torch.zeros(1))


# Pictures


def test_noise_is_that_of_the_flow() -> None:
    model, images = pipeline(), pixels(6)
    found = Calibration.of(model, images, draws=2, seed=4)
    flow = model.flow
    seeds = [4 + 2 * place for place in range(6)]
    x = [with_training_noise(flow, model.encode(image)[0], seed, 2) for image, seed in zip(images, seeds, strict=True)]
    z = flow(torch.cat(x), torch.full((12,), -1)).z
    assert found.whole.mean == pytest.approx(float(z.mean()), abs=1e-5)
    assert found.whole.deviation == pytest.approx(float(z.std(correction=0)), rel=1e-4)
    assert (found.whole.count, found.pictures) == (z.numel(), 6)
    by_place = torch.nn.functional.avg_pool2d(z.square().mean(1, keepdim=True), 2).mean((0, 1))
    torch.testing.assert_close(found.mean_square, by_place, rtol=1e-3, atol=1e-4)
    assert found.distance.shape == (4, 4)
    assert len(found.by_block) == 3
    assert found.by_block[-1] == found.whole
    assert found.by_block[0] != found.whole


def test_pictures_that_the_flow_draws_are_gaussian() -> None:
    """Latents that come from Gaussian noise go back to it: nothing is lost or added by the measuring."""
    model = pipeline()
    z = gaussian(64, 3, 8, 8).float()
    back = model.flow(model.flow.inverse(z)).z
    assert Fit.of(back).distance < 1.63 / math.sqrt(z.numel())


def test_quantiles_are_those_of_the_noise() -> None:
    found = Calibration.of(pipeline(), pixels(8))
    assert found.quantiles.shape == gaussian_quantiles().shape == (199,)
    assert (found.quantiles.diff() >= 0).all()
    assert float(gaussian_quantiles()[99]) == pytest.approx(0, abs=1e-6)
    share = found.whole.coverage[0]
    inside = (found.quantiles.abs() <= half_width(0.5)).float().mean()
    assert float(inside) == pytest.approx(share, abs=0.02)


def test_prompt_and_draws_count() -> None:
    model, images = pipeline(), pixels(3)
    assert Calibration.of(model, images, prompt="cat").whole != Calibration.of(model, images).whole
    assert Calibration.of(model, images, draws=3).whole.count == 3 * Calibration.of(model, images).whole.count


def test_folder_is_read_past_what_is_broken(tmp_path: Path) -> None:
    for number, image in enumerate(pixels(3)):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    (tmp_path / "words.png").write_text("words")
    told: list[str] = []
    done: list[tuple[int, int]] = []
    found = Calibration.of(pipeline(), tmp_path, failed=told.append, on_progress=lambda *at: done.append(at))
    assert found.pictures == 3
    assert "words.png" in told[0]
    assert done[-1] == (4, 4)
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "words.png").write_text("words")
    with pytest.raises(ValueError, match="None of the pictures"):
        Calibration.of(pipeline(), tmp_path / "alone", failed=told.append)
