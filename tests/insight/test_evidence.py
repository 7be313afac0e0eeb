from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from starflow_core.insight.evidence import KEPT, Evidence
from starflow_core.insight.gaussian import Gaussian
from starflow_core.insight.picture_statistics import colours_and_edges, pixels_of, seams


def normal(count: int, width: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def fitted(count: int = 200) -> tuple[Evidence, torch.Tensor]:
    return Evidence.fit({"a": normal(count), "b": normal(count, 1, 1)}, torch.arange(count))


def test_scores_of_normal_pictures_are_like_those_of_new_ones() -> None:
    """So their ranks are p-values: each is scored by a fit on others."""
    evidence, before = fitted(400)
    after = evidence.scores({"a": normal(400, seed=2), "b": normal(400, 1, seed=3)})
    ranks = (before[None, :] >= after[:, None]).double().mean(1)
    for share in (0.05, 0.25, 0.5, 0.75):
        assert float((ranks <= share).double().mean()) == pytest.approx(share, abs=0.06)
    assert float(before.mean()) == pytest.approx(2, abs=0.2)  # −ln p of a uniform p has the mean 1


def test_either_kind_is_enough_to_be_odd() -> None:
    evidence, before = fitted()
    usual = {"a": torch.zeros(1, 3), "b": torch.zeros(1, 1)}
    for name in usual:
        odd = usual | {name: torch.full_like(usual[name], 6.0)}
        assert float(evidence.scores(odd)) > float(before.max())
    assert float(evidence.scores(usual)) < float(before.median())


def test_surprise_counts_normal_pictures_and_then_grows_with_the_distance() -> None:
    evidence, _ = fitted()
    kind = evidence.kinds["b"]
    assert torch.equal(kind.distances, kind.distances.sort().values)
    vectors = torch.tensor([[0.0], [0.5], [1.0], [3.0], [6.0], [12.0]], dtype=torch.float64)
    found = kind.surprise(vectors)
    assert (found.diff() > 0).all()
    middle = kind.normal.distance(vectors[1:2])
    as_far = int((kind.distances >= middle).sum())
    assert float(found[1]) == pytest.approx(-math.log((as_far + 0.5) / 201))
    steps = found[3:].diff() / kind.normal.distance(vectors)[3:].diff()
    assert float(steps[0]) == pytest.approx(float(steps[1]))  # a straight line


def test_overflow_is_as_surprising_as_can_be() -> None:
    evidence, _ = fitted()
    seen = {"a": torch.full((2, 3), math.nan), "b": torch.full((2, 1), math.inf)}
    assert (evidence.scores(seen) >= 1e6).all()


def test_tiles_of_a_picture_are_left_out_together() -> None:
    """Else a picture that is unlike all others would be scored by a fit on itself."""
    rows = torch.cat([normal(40), torch.full((4, 3), 9.0) + normal(4, seed=5) / 100])
    groups = torch.cat([torch.arange(40), torch.full((4,), 40)])
    _, scores = Evidence.fit({"a": rows}, groups)
    alone = Gaussian.fit(rows[:40]).distance(rows[40:])
    assert (alone > 10).all()
    assert (scores[40:] > scores[:40].max()).all()


def test_numbers_come_back_and_are_few() -> None:
    evidence, _ = Evidence.fit({"a": normal(3000), "b c": normal(3000, 1)}, torch.arange(3000))
    tensors = evidence.tensors()
    assert tensors["a.distances"].shape == (KEPT,)
    again = Evidence.of_tensors(tensors)
    seen = {"a": normal(9, seed=7), "b c": normal(9, 1, seed=8)}
    assert torch.equal(again.scores(seen), evidence.scores(seen))


# Pixels


def test_colours_and_edges_are_those_of_their_definition() -> None:
    pixels = torch.rand(2, 4, 5, 3, dtype=torch.float64)
    found = colours_and_edges(pixels)
    assert found.shape == (2, 18)
    assert found[1, 0] == pytest.approx(float(pixels[1, :, :, 0].mean()))
    steps = [abs(float(pixels[1, i, j + 1, 2] - pixels[1, i, j, 2])) for i in range(4) for j in range(4)]
    assert found[1, 8] == pytest.approx(sum(steps) / 16)


def soft_disc() -> np.ndarray:
    y, x = np.mgrid[:64, :64] / 64 - 0.5
    return np.repeat((255 * np.clip((np.hypot(x, y) - 0.3) * 20, 0, 1))[..., None], 3, 2).astype(np.uint8)


def test_pasted_piece_has_seams_and_a_smooth_picture_none() -> None:
    disc = soft_disc()
    piece = disc.copy()
    piece[10:31, 20:41] = (200, 90, 10)
    plain = np.full_like(disc, 130)
    found = seams(pixels_of([Image.fromarray(one) for one in (plain, disc, piece, piece.transpose(1, 0, 2))]))[:, 0]
    assert found[0] == pytest.approx(math.log(0.003), rel=1e-5)
    assert found[1] < found[2] - 1
    assert found[3] == pytest.approx(float(found[2]), rel=1e-6)  # across as down
