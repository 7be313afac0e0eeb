"""Pictures at a model's size, and a message about what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL import Image

    from ..pipeline import Pipeline


class Fitted(NamedTuple):
    """A picture as a model takes it.

    Attributes:
        image: RGB, upright.
        size: width and height of the picture in its file, upright, in pixels.
        change: what the scaling changed, in words; empty for no change.
    """

    image: Image.Image
    size: tuple[int, int]
    change: str


def fitted(pipeline: Pipeline, path: str) -> Fitted:
    """A picture from a file, at the size that a model takes.

    Raises:
        ValueError: the file cannot be read, or the picture is too long and narrow.
    """
    from ..images import as_rgb

    whole = as_rgb(path)
    image = pipeline.fit(whole)
    if image.size == whole.size:
        return Fitted(image, whole.size, "")
    (width, height), (before_width, before_height) = image.size, whole.size
    is_cut = pipeline.flow.has_fixed_size and before_width != before_height
    what = "the middle of " if is_cut else ""
    return Fitted(image, whole.size, f"{what}{before_width}×{before_height} pixels, scaled to {width}×{height}")
