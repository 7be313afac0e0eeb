"""What a picture must look like after compression, in whole tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...images import to_tensor


class Target(NamedTuple):
    """Colours (3, H, W) in [−1, 1], and where they count (H, W): 1 in what is seen of the picture, else 0."""

    pixels: Tensor
    counts: Tensor


def target_of(planes: Sequence[Image.Image], multiple: int) -> Target:
    """Continue colours to whole tiles; what lies beneath full transparency becomes white.

    Args:
        planes: colours, and alpha where there is one.
        multiple: pixels of a tile's side.
    """
    colours = planes[0].convert("RGB")
    counts = np.ones(colours.size[::-1], np.float32)
    if len(planes) == 2:
        visible = planes[1].point(lambda value: 255 * (value > 0))
        colours = Image.composite(colours, Image.new("RGB", colours.size, "white"), visible)
        counts = np.asarray(visible, np.float32) / 255
    below, right = -colours.height % multiple, -colours.width % multiple
    pixels = np.pad(to_tensor(colours).numpy(), ((0, 0), (0, below), (0, right)), mode="edge")
    return Target(torch.from_numpy(pixels), torch.from_numpy(np.pad(counts, ((0, below), (0, right)))))
