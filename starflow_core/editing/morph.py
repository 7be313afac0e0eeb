"""Pictures on the way from one picture to another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from ..images import AnyImage
from ..samplers import ProgressCallback
from ..sampling import Sampling
from .between import condition_between, spherical
from .source import Model, Source, check_prompts, check_single, checked_finite

MOST_FRAMES = 256


@dataclass(frozen=True)
class Morph:
    """The way from one picture to another.

    Attributes:
        frames: N pictures; the first and the last are the two pictures, there and back through the flow.
        shares: N shares of the second picture, from 0 to 1.
        x: (N, C, H, W), the frames as the flow's data.
        conditions: (N, …), of each frame, as the flow takes them; None for a model without conditions.
        latent_error: relative L2 error of the data of the first and the last frame, against those of the pictures.
    """

    frames: list[Image.Image]
    shares: list[float]
    x: Tensor
    conditions: Tensor | None
    latent_error: float


def check_frames(frames: int) -> None:
    """Check a number of frames.

    Raises:
        ValueError: it is not a whole number from 2 to 256.
    """
    if isinstance(frames, bool) or not isinstance(frames, int) or not 2 <= frames <= MOST_FRAMES:
        raise ValueError(f"frames is {frames!r}; it must be a whole number from 2 to {MOST_FRAMES}: both ends count.")


def morph(
    model: Model,
    images: tuple[AnyImage, AnyImage],
    prompts: tuple[str, str],
    frames: int,
    sampling: Sampling,
    progress: ProgressCallback | None = None,
) -> Morph:
    """See `Pipeline.morph`."""
    check_frames(frames)
    check_prompts(model, *prompts)
    check_single(sampling)
    fitted = [model.fit(image, size=sampling.size) for image in images]
    check_ends(*fitted)
    ends = [
        Source.of(model, image, model.condition([prompt]), image.size)
        for image, prompt in zip(fitted, prompts, strict=True)
    ]
    shares = [i / (frames - 1) for i in range(frames)]
    noises, given = (ends[0].z, ends[1].z), (ends[0].condition, ends[1].condition)
    z, conditions = between(noises, given, shares, model.temperature(sampling))
    x = checked_finite(model.draw(z, conditions, None, sampling, progress, share=0))
    error = torch.cat([x[:1] - ends[0].x, x[-1:] - ends[1].x]).norm() / torch.cat([end.x for end in ends]).norm()
    return Morph(model.decode(x), shares, x.cpu(), conditions, float(error))


def between(
    noises: tuple[Tensor, Tensor],
    conditions: tuple[Tensor | None, Tensor | None],
    shares: list[float],
    temperature: float = 1.0,
) -> tuple[Tensor, Tensor | None]:
    """Noise (N, C, H, W) and conditions (N, …) of frames.

    Args:
        noises: of the two pictures, (1, C, H, W) each.
        conditions: of the two, (1, …) each; None for a model without conditions.
        shares: N shares of the second.
        temperature: the factor of the noise half way; it is 1 at both ends. Below 1, what lies between is likelier
            and plainer, as drawn pictures are.
    """
    lengths = [1 - (1 - temperature) * math.sin(math.pi * share) if 0 < share < 1 else 1.0 for share in shares]
    steps = zip(shares, lengths, strict=True)
    z = torch.stack([length * spherical(noises[0][0], noises[1][0], share) for share, length in steps])
    given = [one for share in shares if (one := condition_between(*conditions, share)) is not None]
    return z, torch.cat(given) if given else None


def check_ends(first: Image.Image, second: Image.Image) -> None:
    """Check two pictures, as the model sees them.

    Raises:
        ValueError: they are of different sizes, or the same.
    """
    if first.size != second.size:
        sizes = " and ".join(f"{width}×{height}" for width, height in (first.size, second.size))
        raise ValueError(f"The model sees these pictures at {sizes}; crop them to one shape, or give a size for both.")
    if first.tobytes() == second.tobytes():
        raise ValueError("The two pictures are the same; there is nothing between them. Give two different ones.")
