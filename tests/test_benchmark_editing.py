"""What `benchmarks.editing` measures with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.editing.holes import Holed, right_quarter, simple_fills
from benchmarks.editing.inpaint import seam
from starflow_core.editing.canvas import grown


def cut() -> Holed:
    """A picture whose right quarter is the hole."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    model: Any = SimpleNamespace(trained_side=64)
    return Holed(Image.fromarray(pixels), right_quarter(model), "noise")


def test_what_is_cut_off_is_drawn_as_beyond_a_border() -> None:
    one = cut()
    canvas, mask = grown(one.picture.crop((0, 0, 48, 64)), right=16)
    assert canvas.tobytes() == one.given.tobytes()
    assert mask.tobytes() == one.mask.tobytes()


def test_simple_fills_keep_what_is_known_and_know_nothing_of_the_hole() -> None:
    one = cut()
    blank = Holed(one.given, one.mask, one.name)
    for name, fill in simple_fills(one).items():
        assert torch.equal(fill[:, ~one.hole], one.pixels[:, ~one.hole]), name
        assert torch.equal(fill, simple_fills(blank)[name]), name


def test_seam_is_the_step_across_the_edge_alone() -> None:
    one = cut()
    pixels = torch.where(one.hole, 1.0, 0.25).expand(3, -1, -1)
    assert seam(pixels, one.hole) == 0.75
    assert seam(simple_fills(one)["nearest known pixel"], one.hole) == 0
