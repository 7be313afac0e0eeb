"""Inpainting: holes in pictures drawn anew, ranked by likelihood, with every known pixel as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..codecs.autoencoder import Autoencoder
from ..drawing import of_batch
from ..flow.flow import Flow
from ..flow.noise import SEEDS
from ..images import psnr, to_images, to_tensor
from ..insight.likelihood import score
from ..samplers import ProgressCallback, Sampler
from .canvas import Canvas
from .filling import Filled, Hole, check_cells, filled
from .masks import cells
from .pasting import without_seam
from .settings import Filling
from .smooth import smoothly_filled
from .target import Target

DRAWS = 4  # of noise, for the likelihood that ranks


@dataclass(frozen=True)
class Fill:
    """A picture whose hole was drawn anew.

    Attributes:
        image: of the picture's own size.
        seed: of the fill.
        rank: 1 for the likeliest.
        log_prob: of the whole picture as the model sees it, given the prompt, in nats, as `score` measures it with
            seed 0. The fills of one picture differ in their holes alone, so the differences are those of the fills'
            own likelihoods given the known places.
        residual: how far it is from settled, see `Filled`.
        accepted: the share of the Langevin steps that were accepted; NaN without any.
        known_error: the largest difference of a known pixel, in 8-bit levels: 0, since they are pasted.
        known_psnr: in dB, of the known pixels in what the model itself made, before they were pasted.
        x: (C, H, W), the fill as data of the flow, without noise.
    """

    image: Image.Image
    seed: int
    rank: int
    log_prob: float
    residual: float
    accepted: float
    known_error: int
    known_psnr: float
    x: Tensor


@dataclass(frozen=True)
class Painter:
    """What draws into a picture.

    Attributes:
        flow: the model.
        autoencoder: of its latents; None for a flow of pictures.
        sampler: how the flow is inverted.
    """

    flow: Flow
    autoencoder: Autoencoder | None
    sampler: Sampler

    @property
    def factor(self) -> int:
        """Pixels by place of the data, along a side."""
        return 1 if self.autoencoder is None else self.autoencoder.config.factor

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [−1, 1] as data of the flow."""
        return (pixels if self.autoencoder is None else self.autoencoder.encode(pixels)).to(self.flow.device)

    @torch.no_grad()
    def decode(self, x: Tensor) -> Tensor:
        """Data of the flow as pictures (B, 3, H, W) in [−1, 1], on the CPU."""
        return (x if self.autoencoder is None else self.autoencoder.decode(x)).clamp(-1, 1).float().cpu()


def inpaint(
    painter: Painter,
    canvas: Canvas,
    condition: Tensor | None,
    unconditional: Tensor | None,
    filling: Filling,
    progress: ProgressCallback | None = None,
) -> list[Fill]:
    """Fill the hole of a picture, `count` times; the likeliest fill comes first.

    Args:
        painter: draws.
        canvas: the picture and its hole.
        condition: (1, …), of the prompt; None for a model without conditions.
        unconditional: (1, …), of the empty prompt.
        filling: the settings.
        progress: called after every step; an exception that it raises ends the work.

    Raises:
        ValueError: the hole leaves nothing to go by, or numbers overflow.
    """
    drawn = _drawn(painter, hole_of(painter, canvas), condition, unconditional, filling, progress)
    return ranked([_fill(painter, canvas, condition, filling, seed, found) for found, seed in drawn])


@dataclass(frozen=True)
class DataFill:
    """A flow's data whose hole was drawn anew; attributes as of `Fill`."""

    x: Tensor
    seed: int
    log_prob: float
    residual: float
    accepted: float


def inpaint_data(
    painter: Painter,
    hole: Hole,
    condition: Tensor | None,
    unconditional: Tensor | None,
    filling: Filling,
    progress: ProgressCallback | None = None,
) -> list[DataFill]:
    """Fill a hole in a flow's data, such as latents without a picture, `count` times; the likeliest fill comes first.

    Arguments and errors are those of `inpaint`. `feather` has no effect: the known data stay exactly as they are.
    """
    fills = []
    for found, seed in _drawn(painter, hole, condition, unconditional, filling, progress):
        log_prob = score(painter.flow, found.x[0], condition, draws=DRAWS).log_prob
        fills.append(DataFill(found.x[0].cpu(), seed, log_prob, found.residual, found.accepted))
    return sorted(fills, key=lambda fill: -fill.log_prob)


def _drawn(
    painter: Painter,
    hole: Hole,
    condition: Tensor | None,
    unconditional: Tensor | None,
    filling: Filling,
    progress: ProgressCallback | None,
) -> Iterator[tuple[Filled, int]]:
    """The fills, each with its seed, one by one: so a seed gives the same fill whatever their number is."""
    target = Target(painter.flow, condition, unconditional, filling.guidance, filling.temperature)
    for number in range(filling.count):
        seed = (filling.seed + number) % SEEDS
        report = progress and of_batch(progress, number, filling.count)
        yield filled(target, hole, seed, filling, painter.sampler, report), seed


def hole_of(painter: Painter, canvas: Canvas) -> Hole:
    """The hole in the flow's data of a picture, begun with a smooth continuation of the known pixels.

    Raises:
        ValueError: the hole leaves nothing to go by.
    """
    pixels, hole = canvas.pixels, canvas.fitted_hole
    mask = cells(canvas.hole_seen, canvas.fitted.size, painter.factor)
    check_cells(mask)
    known = painter.encode(smoothly_filled(pixels, hole))
    if painter.autoencoder is None:
        return Hole(known, mask)
    return Hole(known, mask, lambda x: painter.encode(torch.where(hole, painter.decode(x), pixels)))


def ranked(fills: Sequence[Fill]) -> list[Fill]:
    """Fills, the likeliest first."""
    order = sorted(fills, key=lambda fill: -fill.log_prob)
    return [replace(fill, rank=rank) for rank, fill in enumerate(order, 1)]


def _fill(
    painter: Painter, canvas: Canvas, condition: Tensor | None, filling: Filling, seed: int, found: Filled
) -> Fill:
    pixels, hole = canvas.pixels, canvas.fitted_hole
    made = painter.decode(found.x)
    feather = max(1, min(canvas.fitted.size) // 16) if filling.feather is None else filling.feather
    whole = to_images(without_seam(made, pixels, hole, feather))[0]
    image = canvas.with_fill(whole)
    known = ~hole.expand_as(pixels)
    difference = np.asarray(image, int) - np.asarray(canvas.picture, int)
    return Fill(
        image=image,
        seed=seed,
        rank=0,
        log_prob=score(painter.flow, painter.encode(to_tensor(whole)[None])[0], condition, draws=DRAWS).log_prob,
        residual=found.residual,
        accepted=found.accepted,
        known_error=int(np.abs(difference)[~canvas.hole].max()),
        known_psnr=psnr(made[known], pixels[known]),
        x=found.x[0].cpu(),
    )
