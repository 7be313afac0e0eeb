"""Simple statistics of the pixels of a picture, without a flow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

RUN = 3 / 16  # of the side: the length of a seam
LINES = 2  # seams across, and as many down: a pasted rectangle has two of each
FAINT = 0.003  # of the range of grey levels; what is fainter than this is no edge


def pixels_of(images: Sequence[Image.Image]) -> Tensor:
    """Pictures of one size, RGB, as (N, H, W, 3) float64 in [0, 1]."""
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).double() / 255


def colours_and_edges(pixels: Tensor) -> Tensor:
    """Means and spreads of colours, and of differences of neighbours, (N, 18), of pictures (N, H, W, 3) in [0, 1]."""
    across, down = (pixels[:, :, 1:] - pixels[:, :, :-1]).abs(), (pixels[:, 1:] - pixels[:, :-1]).abs()
    parts = [
        pixels.mean((1, 2)),
        pixels.std((1, 2)),
        across.mean((1, 2)),
        down.mean((1, 2)),
        across.std((1, 2)),
        down.std((1, 2)),
    ]
    return torch.cat(parts, 1)


def seams(pixels: Tensor) -> Tensor:
    """How strong the straight, sharp seams of pictures are, (N, 1): a logarithm, of pictures (N, H, W, 3) in [0, 1].

    A pasted piece has edges that run straight down or across for a while, and are one pixel wide. The sharpness of an
    edge is by how much the step there is larger than both steps beside it. Of each line of pixels the sharpest run
    counts, and of these the two sharpest down and the two sharpest across. A picture without any is odd as well.
    """
    values = pixels.movedim(-1, 1).float()
    return (_sharpest(values) + _sharpest(values.transpose(2, 3)) + FAINT).log()[:, None].double()


def _sharpest(values: Tensor) -> Tensor:
    """The sum of the sharpest runs of the sharpest lines down the pictures (N, 3, H, W), (N,)."""
    steps = (values[..., 1:] - values[..., :-1]).abs().amax(1)
    padded = torch.nn.functional.pad(steps, (1, 1))
    sharp = (steps - padded[..., :-2] - padded[..., 2:]).clamp(min=0)
    length = max(1, round(RUN * values.shape[2]))
    runs = torch.nn.functional.avg_pool1d(sharp.transpose(1, 2), length, 1)  # (N, W − 1, H − length + 1)
    return runs.amax(2).topk(LINES).values.sum(1)
