"""What STARFlow Sampler does with a latent that has a mask: it draws the masked places anew, as STARFlow Inpaint."""

from __future__ import annotations

import dataclasses
import math

import torch

from starflow_core.editing.settings import Filling
from starflow_core.sampling import Sampling

from . import conditions, convert
from .host import Host
from .inpainting import filled
from .values import Conditioning, Latent, Model

DEFAULT = Filling()


def drawn_in_mask(
    host: Host,
    model: Model,
    latent: Latent,
    positive: Conditioning | None,
    negative: Conditioning | None,
    sampling: Sampling,
) -> tuple[Latent, Sampling]:
    """A latent whose masked places are drawn anew, and the settings that drew it; all else in it stays as it was.

    Guidance and temperature that are left to the model are those of STARFlow Inpaint.

    Args:
        host: runs it.
        model: draws.
        latent: with a mask.
        positive: what the whole picture shows.
        negative: what guidance steers away from.
        sampling: the settings; of a single latent, `count` fills are drawn.

    Raises:
        ValueError: the mask covers everything or nothing or has another shape, a setting is out of range, or the last
            noise shall stay.
    """
    if sampling.denoise is False:
        raise ValueError(
            "Denoise is off, but masked places are drawn without the last noise; set denoise to default or on."
        )
    x, holes = convert.masked_data(model, latent, None)
    if len(x) == 1:
        x, holes = (one.expand(sampling.count, -1, -1, -1) for one in (x, holes))
    guidance = DEFAULT.guidance if sampling.guidance is None else sampling.guidance
    density = DEFAULT.temperature if sampling.temperature is None else _of_density(sampling.temperature)
    used = dataclasses.replace(sampling, count=len(x), guidance=guidance, temperature=math.sqrt(density), denoise=True)
    condition = conditions.condition(host, model, positive, 1)
    away = conditions.condition(host, model, negative, 1) if guidance else None
    painter = model.pipeline.painter()
    if sampling.sampler is not None:
        painter = dataclasses.replace(painter, sampler=sampling.sampler)
    filling = dataclasses.replace(DEFAULT, guidance=guidance, temperature=density)
    fillings = [dataclasses.replace(filling, seed=seed) for seed in used.seeds()]
    fills = filled(host, model, painter, (x, holes), conditions.of_one_length(condition, away), fillings)
    return {**convert.beside(latent), **convert.latent(model, torch.stack([fill.x for fill in fills]))}, used


def _of_density(temperature: float) -> float:
    """The temperature of a density whose noise has a standard deviation of `temperature` times the model's own.

    Raises:
        ValueError: it is out of range.
    """
    if not 0 < temperature**2 <= 2:
        raise ValueError(f"Temperature is {temperature:g}; in masked places it must be above 0 and up to 1.41.")
    return temperature**2
