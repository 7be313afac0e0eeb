"""A likelihood map as a picture."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor

# From dark blue (least likely) over green to yellow (most likely); told apart by most colour-blind people.
STOPS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


def heatmap(log_prob_map: Tensor, size: tuple[int, int]) -> Image.Image:
    """The map (H', W') in nats by token as an RGB picture of `size` pixels, its range spread over the colours.

    What is no number counts as least likely.
    """
    values = log_prob_map.float().numpy()
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    spread = (values - low) / (high - low) if high > low else np.full_like(values, 0.5)
    positions = np.linspace(0, 1, len(STOPS))
    channels = [np.interp(spread, positions, [stop[channel] for stop in STOPS]) for channel in range(3)]
    picture = Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8))
    return picture.resize(size, Image.Resampling.NEAREST)
