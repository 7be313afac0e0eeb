"""Statistics of a flow's noise, which show whether it is the standard normal noise that the model expects."""

from __future__ import annotations

import torch
from torch import Tensor


def noise_statistics(z: Tensor, patch_size: int) -> Tensor:
    """Return a vector of statistics for the noise of each datum, (B, F) float64.

    A flow maps what it has learnt to z ~ N(0, I): each number has mean 0 and variance 1 and does not depend on the
    others. The statistics show departures from this, wherever they are in the picture:

    - for each channel, the mean, the mean square, and the mean product of neighbours across and down;
    - for each place, a token of p×p, the mean square;
    - for the whole picture, the largest |z|.

    Args:
        z: (B, C, H, W).
        patch_size: p, the side of a token, in pixels or latents.
    """
    z = z.double()
    return torch.cat(
        [
            z.mean((2, 3)),
            z.square().mean((2, 3)),
            (z[..., 1:] * z[..., :-1]).mean((2, 3)),
            (z[..., 1:, :] * z[..., :-1, :]).mean((2, 3)),
            mean_squares(z, patch_size).flatten(1),
            z.abs().amax((1, 2, 3))[:, None],
        ],
        1,
    )


def mean_squares(z: Tensor, patch_size: int) -> Tensor:
    """The mean square of each place's noise, (B, H/p, W/p); 1 is expected."""
    return torch.nn.functional.avg_pool2d(z.square().mean(1, keepdim=True), patch_size)[:, 0]
