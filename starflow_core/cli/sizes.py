"""A message about what scaling a picture to a model's size changed."""

from __future__ import annotations


def change(before: tuple[int, int], after: tuple[int, int], is_cut: bool) -> str:
    """What scaling changed, in words; empty for no change.

    Args:
        before: width and height of the picture, in pixels.
        after: of what the model looks at.
        is_cut: whether that is the middle square alone.
    """
    if before == after:
        return ""
    what = "the middle of " if is_cut else ""
    return f"{what}{before[0]}×{before[1]} pixels, scaled to {after[0]}×{after[1]}"
