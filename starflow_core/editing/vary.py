"""Variations of a picture: a part of its noise gives way to fresh noise."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from PIL import Image
from torch import Tensor

from ..flow.noise import seeded_noise
from ..images import AnyImage
from ..samplers import ProgressCallback
from ..sampling import Sampling
from .source import Model, Source, check_number, check_prompts, check_single, checked_finite

EVENNESS = 0.8  # of the curve from strengths to shares; measured, see `fresh_share`


def check_strength(strength: float) -> None:
    """Check a strength.

    Raises:
        ValueError: it is not a number from 0 to 1.
    """
    check_number("strength", strength, 0, 1, "0 keeps the picture, 1 draws another")


def fresh_share(strength: float) -> float:
    """Share s of fresh noise at a strength: strength^0.8, so that pictures depart evenly to the eye.

    The distance of unseen pictures in CIELAB, over five scales, grows like s^1.3 on the whole, which
    `python -m benchmarks.editing --only vary` measures.
    """
    check_strength(strength)
    return float(strength**EVENNESS)


def varied(noise: Tensor, fresh: Tensor, strength: float) -> Tensor:
    """A mixture √(1 − s²)·noise + s·fresh, whose variance goes from that of the noise to that of the fresh noise.

    Args:
        noise: of a picture.
        fresh: of a seed, scaled by the temperature; of the same shape.
        strength: 0 keeps the noise, 1 replaces it; `fresh_share` gives s.

    Raises:
        ValueError: the strength is out of range.
    """
    s = fresh_share(strength)
    return noise if s == 0 else math.sqrt(1 - s**2) * noise + s * fresh


def patched(noise: Tensor, fresh: Tensor, cells: Collection[tuple[int, int]], cell: int) -> Tensor:
    """Noise whose chosen cells are replaced by fresh noise.

    Args:
        noise: of pictures (B, C, H, W).
        fresh: of a seed, scaled by the temperature; of the same shape.
        cells: rows and columns of the cells, which are tokens of the flow.
        cell: side of a cell, p.

    Raises:
        ValueError: a cell is outside.
    """
    rows, columns = noise.shape[2] // cell, noise.shape[3] // cell
    mask = torch.zeros(rows, columns, dtype=torch.bool)
    for row, column in cells:
        if not (0 <= row < rows and 0 <= column < columns):
            raise ValueError(f"The cell {row}, {column} is outside of the {rows}×{columns} cells of this noise.")
        mask[row, column] = True
    where = mask.repeat_interleave(cell, 0).repeat_interleave(cell, 1)
    return torch.where(where, fresh, noise)


def vary(
    model: Model,
    image: AnyImage,
    strength: float,
    prompt: str,
    sampling: Sampling,
    progress: ProgressCallback | None = None,
) -> list[Image.Image]:
    """See `Pipeline.vary`."""
    check_strength(strength)
    check_prompts(model, prompt)
    check_single(sampling)
    condition, unconditional = model.condition([prompt]), model.condition([sampling.negative])
    source = Source.of(model, image, condition, sampling.size)
    seeds = sampling.seeds()
    if strength == 0:
        return [source.image.copy() for _ in seeds]
    fresh = model.temperature(sampling) * torch.cat([seeded_noise(source.z.shape[1:], seed, 1) for seed in seeds])
    z = varied(source.z, fresh, strength)
    given = None if condition is None else condition.expand(len(z), *condition.shape[1:])
    x = model.draw(z, given, unconditional, sampling, progress, share=fresh_share(strength))
    return model.decode(checked_finite(x))
