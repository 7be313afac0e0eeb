"""The measuring of `python -m benchmarks.insight`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.insight import methods, pictures
from benchmarks.insight.methods import METHODS, Looked, auroc
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load


def picture(seed: int = 0, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def rng() -> np.random.Generator:
    return np.random.default_rng(99)


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    normal, odd = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0])
    assert auroc(normal, odd) == pytest.approx((1.5 + 3) / 6)
    assert auroc(normal, normal + 10) == 1
    assert auroc(normal, torch.full((2,), torch.inf)) == 1


@pytest.mark.parametrize("change", pictures.CHANGES, ids=lambda change: change.__name__)
def test_odd_pictures_are_others_of_the_same_size(change: pictures.Change) -> None:
    normal = picture()
    kept = normal.copy()
    odd = change(normal, rng())
    assert odd.shape == normal.shape
    assert odd.dtype == np.uint8
    assert (odd != normal).any()
    assert (normal == kept).all()  # itself untouched


def test_shuffled_and_turned_pictures_have_the_same_pixels() -> None:
    normal = picture()
    for change in (pictures.shuffled, pictures.upside_down):
        assert sorted(change(normal, rng()).ravel()) == sorted(normal.ravel())
    assert (pictures.inverted(pictures.inverted(normal, rng()), rng()) == normal).all()
    assert len(np.unique(pictures.flat(normal, rng()).reshape(-1, 3), axis=0)) == 1


def test_pasted_piece_is_a_ninth_of_another_picture() -> None:
    black, white = np.zeros((63, 63, 3), np.uint8), np.full((63, 63, 3), 255, np.uint8)
    assert (pictures.pasted(black, white, rng()) > 0).all(2).sum() == 21 * 21


def looked(count: int, shift: float = 0.0, seed: int = 0) -> Looked:
    """Pictures of which every figure is normal, or shifted."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(count, 12, generator=generator, dtype=torch.float64) + shift
    pixels = np.full((count, 32, 32, 3), 128, np.uint8) + picture(seed, 32) // 64
    return Looked(pixels, numbers[:, 0], numbers[:, :6], numbers, 1000 + 50 * numbers[:, 11])


@pytest.mark.parametrize("name", ["typicality", "distance of the map", "fit of the noise"])
def test_methods_on_both_sides_find_what_is_likelier_too(name: str) -> None:
    normal, usual, odd = looked(200), looked(100, seed=1), looked(100, shift=4, seed=2)
    assert auroc(METHODS[name](normal, usual), METHODS[name](normal, odd)) > 0.95
    assert (
        auroc(methods.raw(normal, usual), methods.raw(normal, odd)) < 0.05
    )  # which the likelihood alone takes for normal


def test_every_method_gives_a_score_each() -> None:
    normal, others = looked(60), looked(7, seed=1)
    for name, method in METHODS.items():
        scores = method(normal, others)
        assert scores.shape == (7,), name
        assert scores.isfinite().all(), name


def test_pictures_are_looked_at_as_the_scorer_does(pipeline: Pipeline) -> None:
    found = methods.look(pipeline, np.stack([picture(seed) // 4 + 128 for seed in range(3)]))
    assert found.log_prob.tolist() == pytest.approx(found.maps.sum(1).tolist())
    assert found.statistics.shape[0] == found.webp.shape[0] == 3
    assert (found.webp > 8 * 1000).all()


def test_8_bit_pictures_get_their_own_noise() -> None:
    model = load("tarflow-mini-8bit", device="cpu", dtype=torch.float32)
    grey = np.full((32, 32, 3), 128, np.uint8)
    expected = model.score(Image.fromarray(grey), draws=methods.DRAWS).log_prob
    assert methods.look(model, grey[None]).log_prob.tolist() == pytest.approx([expected], rel=1e-4)
