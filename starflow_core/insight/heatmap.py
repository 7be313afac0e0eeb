"""A likelihood map as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

# From dark blue (least likely) over green to yellow (most likely); told apart by most colour-blind people.
STOPS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


def value_range(log_prob_maps: Sequence[Tensor]) -> tuple[float, float]:
    """The least and the greatest finite number in some maps; (0, 0) if there is none."""
    values = torch.cat([one.float().flatten() for one in log_prob_maps])
    finite = values[values.isfinite()]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)


def heatmap(log_prob_map: Tensor, size: tuple[int, int], between: tuple[float, float] | None = None) -> Image.Image:
    """Draw a map as an RGB picture; a range of values is spread over the colours.

    NaN and −∞ get the first colour, +∞ gets the last. Tokens stay squares of one colour, since each has one likelihood.

    Args:
        log_prob_map: (H', W'), in nats by token.
        size: width and height of the picture.
        between: the values of the first and the last colour; the map's own range by default. A common range
            makes heatmaps comparable.
    """
    values = log_prob_map.float().numpy()
    low, high = value_range([log_prob_map]) if between is None else between
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    spread = ((values - low) / (high - low)).clip(0, 1) if high > low else np.full_like(values, 0.5)
    positions = np.linspace(0, 1, len(STOPS))
    channels = [np.interp(spread, positions, [stop[channel] for stop in STOPS]) for channel in range(3)]
    picture = Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8))
    return picture.resize(size, Image.Resampling.NEAREST)
