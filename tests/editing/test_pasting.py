"""Smooth continuation, fills without seams, and the canvas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import randn

from starflow_core.editing.canvas import Canvas, grown
from starflow_core.editing.pasting import fading, without_seam
from starflow_core.editing.smooth import smoothly_filled


def square(side: int = 32, first: int = 8, last: int = 24) -> torch.Tensor:
    hole = torch.zeros(1, 1, side, side, dtype=torch.bool)
    hole[..., first:last, first:last] = True
    return hole


def test_gradient_continues_through_a_hole() -> None:
    """A plane solves Laplace's equation."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    plane = (0.03 * x - 0.02 * y).expand(1, 3, 32, 32)
    found = smoothly_filled(torch.where(square(), randn(1, 3, 32, 32), plane), square())
    torch.testing.assert_close(found, plane, rtol=0, atol=0.02)


def test_what_was_in_the_hole_has_no_influence() -> None:
    x = randn(2, 3, 21, 33)
    hole = torch.zeros(1, 1, 21, 33, dtype=torch.bool)
    hole[..., 3:15, 2:30] = True
    other = torch.where(hole, 1e6, x)
    found = smoothly_filled(other, hole)
    assert torch.equal(found, smoothly_filled(x, hole))
    assert torch.equal(torch.where(hole, 0, found), torch.where(hole, 0, x))
    assert (found.abs() < 10).all()


@pytest.mark.parametrize("feather", [0, 1, 5])
def test_known_pixels_stay_and_the_fill_meets_them(feather: int) -> None:
    hole = square()
    known = torch.zeros(1, 3, 32, 32)
    fill = torch.full((1, 3, 32, 32), 0.4)
    found = without_seam(fill, known, hole, feather)
    assert torch.equal(found[:, :, :8], known[:, :, :8])
    edge, middle = float(found[0, 0, 16, 8]), float(found[0, 0, 16, 16])
    assert middle == pytest.approx(0.4)
    assert edge == pytest.approx(0.4 if feather == 0 else 0.0, abs=0.03)


def test_fading_falls_from_the_edge_inwards() -> None:
    weights = fading(square(), 4)[0, 0, 16, 8:16]
    assert weights[0] == 1
    assert (weights.diff() <= 0).all()
    assert (weights[4:] == 0).all()
    outer = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    outer[..., 0] = False
    assert (fading(outer, 2)[0, 0, 0, 4:] == 0).all()  # the picture's border is no edge of the hole


def test_picture_of_any_size_keeps_its_own_pixels() -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (90, 61, 3), dtype=np.uint8))
    mask = np.zeros((90, 61), np.uint8)
    mask[40:50, 20:40] = 255
    canvas = Canvas.of(picture, mask, lambda seen: seen.resize((32, 48)), is_cut=False)
    assert canvas.pixels.shape == (1, 3, 48, 32)
    assert canvas.fitted_hole.shape == (1, 1, 48, 32)
    filled = np.asarray(canvas.with_fill(Image.new("RGB", (32, 48), "red")))
    assert (filled[mask == 0] == np.asarray(picture)[mask == 0]).all()
    assert (filled[mask > 0] == (255, 0, 0)).all()


def test_hole_beyond_what_the_model_sees_is_refused() -> None:
    mask = np.zeros((20, 60), np.uint8)
    mask[:, 10:30] = 255
    with pytest.raises(ValueError, match="beyond the square in the middle"):
        Canvas.of(np.zeros((20, 60, 3), np.uint8), mask, lambda seen: seen, is_cut=True)


def test_canvas_grows_and_the_mask_says_where() -> None:
    picture = Image.new("RGB", (10, 6), "blue")
    canvas, mask = grown(picture, left=2, bottom=3)
    assert canvas.size == mask.size == (12, 9)
    hole = np.asarray(mask) > 0
    assert hole.sum() == 12 * 9 - 10 * 6
    assert not hole[:6, 2:].any()
    assert (np.asarray(canvas)[:6, 2:] == (0, 0, 255)).all()


@pytest.mark.parametrize(
    "sides", [{}, {"left": -1}, {"top": 5000}, {"right": 1.5}, {"bottom": True}, {"left": "2"}], ids=str
)
def test_impossible_growth_is_refused(sides: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must be a whole number|Nothing is added"):
        grown(Image.new("RGB", (8, 8)), **sides)
