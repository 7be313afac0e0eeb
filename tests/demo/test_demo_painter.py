"""Masks that visitors paint."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demo.painter import mask_of


def sent(mask: Image.Image, format: str = "PNG") -> str:
    """A mask as the page sends it."""
    file = io.BytesIO()
    mask.save(file, format)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def painted(size: tuple[int, int] = (64, 32)) -> Image.Image:
    mask = Image.new("RGBA", size, "black")
    mask.paste("white", (8, 8, 24, 24))
    return mask


def test_mask_gets_the_size_of_the_picture() -> None:
    found = np.asarray(mask_of(sent(painted()), (128, 64)))
    assert found.shape == (64, 128)
    assert (found[20:44, 20:44] == 255).all()
    assert (found[:12] == 0).all()


@pytest.mark.parametrize("wrong", ["", None, [], 0], ids=repr)
def test_nothing_painted_is_said(wrong: Any) -> None:
    with pytest.raises(ValueError, match="Nothing is painted yet"):
        mask_of(wrong, (64, 64))


@pytest.mark.parametrize(
    "wrong",
    [
        7,
        {"path": "/etc/passwd"},
        "white",
        "data:image/png;base64,",
        "data:image/png;base64,äöü",
        "data:image/png;base64,AAAA",
        "data:image/svg+xml;base64,AAAA",
        sent(painted()) + "!",
        sent(painted())[:-40],
        sent(Image.new("L", (2000, 2000))),
        sent(painted().convert("RGB"), "BMP"),
        "data:image/png;base64," + 400_000 * "A",
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_mask_is_refused_in_a_sentence(wrong: Any) -> None:
    with pytest.raises(ValueError, match="mask") as error:
        mask_of(wrong, (64, 64))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200
