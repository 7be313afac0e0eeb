"""Masks: what is drawn anew, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from starflow_core.editing.masks import as_mask, cells, resized

SIZE = (12, 8)


def painted(mode: str = "L", white: object = 255) -> Image.Image:
    """A mask with a white rectangle at columns 3 to 5, rows 2 to 3."""
    mask = Image.new("L", SIZE)
    mask.paste(255, (3, 2, 6, 4))
    return mask.convert(mode)


def expected() -> np.ndarray:
    hole = np.zeros(SIZE[::-1], bool)
    hole[2:4, 3:6] = True
    return hole


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I", "F"])
def test_white_is_drawn_anew_in_any_mode(mode: str, tmp_path: Path) -> None:
    if mode in ("I", "F"):  # more than 8 bits
        deep = expected().astype(np.uint16) * 65535 if mode == "I" else expected().astype(np.float32)
        assert (as_mask(deep, SIZE) == expected()).all()
        return
    assert (as_mask(painted(mode), SIZE) == expected()).all()


def test_16_bit_file_is_a_mask(tmp_path: Path) -> None:
    Image.fromarray(expected().astype(np.uint16) * 65535).save(tmp_path / "deep.png")
    assert (as_mask(tmp_path / "deep.png", SIZE) == expected()).all()


def test_erased_places_are_drawn_anew() -> None:
    """As in ComfyUI's mask editor, which writes the mask as transparency."""
    erased = Image.new("RGBA", SIZE, "black")
    erased.paste((0, 0, 0, 0), (3, 2, 6, 4))
    assert (as_mask(erased, SIZE) == expected()).all()


def test_grey_counts_as_what_it_is_nearer_to() -> None:
    mask = np.array([[127, 128]], np.uint8)
    assert as_mask(mask, (2, 1)).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (Image.new("L", SIZE), "black everywhere"),
        (Image.new("L", SIZE, 255), "white everywhere"),
        (painted().resize((24, 16)), "The mask is 24×16 pixels, and the picture 12×8"),
        ("missing.png", "no file missing.png"),
        (np.zeros((2, 3, 4, 5)), "the shape"),
        (np.full((8, 12), np.nan), "NaN"),
        (7, "it must be a PIL image"),
    ],
    ids=["nothing", "all", "size", "missing", "shape", "nan", "type"],
)
def test_impossible_masks_are_refused_in_a_sentence(mask: object, told: str) -> None:
    with pytest.raises(ValueError, match=told) as error:
        as_mask(mask, SIZE)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_damaged_mask_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("words")
    with pytest.raises(ValueError, match="no picture that can be read"):
        as_mask(tmp_path / "words.png", SIZE)


def test_a_place_that_the_hole_touches_is_in_it() -> None:
    hole = np.zeros((16, 16), bool)
    hole[7, 8] = True
    found = cells(hole, (16, 16), 4)
    assert found.shape == (1, 1, 4, 4)
    assert torch.nonzero(found[0, 0]).tolist() == [[1, 2]]


def test_a_thin_line_outlives_reduction() -> None:
    hole = np.zeros((640, 640), bool)
    hole[:, 300] = True
    assert resized(hole, (64, 64))[:, 30].all()
    assert resized(hole, (64, 64)).sum() == 64
