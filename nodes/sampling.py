"""STARFlow Sampler."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import torch
from torch import Tensor

from starflow_core.flow.flow import Flow
from starflow_core.flow.noise import seeded_noise, varied
from starflow_core.images import checked_size, fitted_size
from starflow_core.insight.likelihood import TOKENS_AT_ONCE
from starflow_core.insight.likelihood import denoise as without_noise
from starflow_core.memory import sampling_memory
from starflow_core.samplers import Jacobi, Progress, ProgressCallback, Sampler, Sequential
from starflow_core.sampling import Sampling

from . import conditions, convert
from .declaration import CONDITIONING, LATENT, MODEL, Choice, Number, Output, Seed, Socket, node
from .host import Host
from .values import Conditioning, Latent, Model

OWN = -1.0  # guidance and temperature: the model's
RATIOS = ("1:1", "2:3", "3:2", "4:5", "5:4", "9:16", "16:9", "9:21", "21:9")
SIZE = "width and height"
DENOISE = ("default", "on", "off")


@node(
    "STARFlowSampler",
    "STARFlow Sampler",
    "Draws latents with a normalizing flow: from noise of a seed, or from the noise of a picture, which gives that "
    "picture back.",
    outputs=(Output("latent", LATENT, "for STARFlow Decode or VAE Decode"),),
)
def sample(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    positive: Annotated[Conditioning | None, Socket("what to draw", CONDITIONING)] = None,
    negative: Annotated[Conditioning | None, Socket("what to steer away from", CONDITIONING)] = None,
    noise: Annotated[
        Latent | None,
        Socket("from STARFlow Invert, instead of a seed, size and batch; exact where guidance is 0", LATENT),
    ] = None,
    seed: Annotated[int, Seed("of the first picture; picture i of a batch is that of seed + i")] = 0,
    guidance: Annotated[
        float,
        Number("how strongly to steer to the positive and away from the negative; -1 is the model's own", -1, 30, 0.1),
    ] = OWN,
    aspect_ratio: Annotated[str, Choice("at the area that the model was trained at", (*RATIOS, SIZE))] = "1:1",
    width: Annotated[int, Number("in pixels, where the aspect ratio says so", 8, 4096, 8)] = 256,
    height: Annotated[int, Number("in pixels, where the aspect ratio says so", 8, 4096, 8)] = 256,
    batch_size: Annotated[int, Number("pictures at once", 1, 64, 1)] = 1,
    sampler: Annotated[
        str, Choice("jacobi is faster; sequential is the reference", ("jacobi", "sequential"))
    ] = "jacobi",
    tolerance: Annotated[float, Number("of jacobi, against sequential: 0.01 is 1 %", 0.0001, 0.5, 0.0001)] = 0.01,
    temperature: Annotated[
        float, Number("of the noise: lower for plainer, safer pictures; -1 is the model's own", -1, 2, 0.01)
    ] = OWN,
    denoise: Annotated[str, Choice("take off the last noise, which the flow was trained with", DENOISE)] = "default",
    variation: Annotated[
        float,
        Number("with noise connected: how much of it gives way to fresh noise of the seed; 0 keeps the picture"),
    ] = 0.0,
) -> Latent:
    pipeline = model.pipeline
    flow, defaults = pipeline.flow, pipeline.defaults
    chosen = Sampling(guidance=chosen_or_none(guidance), temperature=chosen_or_none(temperature))
    guide, temperature = pipeline.guidance(chosen), pipeline.temperature(chosen)
    if noise is not None:
        z = convert.noise(model, noise)
        z = varied(z, temperature * seeded_noise(z.shape[1:], seed, len(z)), variation)
    else:
        z = temperature * seeded_noise(_shape(model, aspect_ratio, width, height), seed, batch_size)
    is_guided = guide.strength > 0
    condition = conditions.condition(host, model, positive, len(z))
    unconditional = conditions.condition(host, model, negative, len(z)) if is_guided else None
    condition, unconditional = conditions.of_one_length(condition, unconditional)
    denoises = denoise == "on" or (denoise == "default" and defaults.denoise and noise is None)
    parts = _parts(flow, z) if denoises else []
    steps = _Steps(host.progress(model), len(parts))
    with host.in_memory(model.flow, sampling_memory(flow, len(z), flow.grid(z), condition, guided=is_guided)):
        x = flow.inverse(
            z,
            condition,
            guidance=guide,
            unconditional=unconditional,
            sampler=_sampler(model, sampler, tolerance),
            progress=steps.sampled,
        )
        for part in parts:
            x[part] = without_noise(flow, x[part], None if condition is None else condition[part])
            steps.denoised(x)
    if not bool(torch.isfinite(x).all()):
        raise ValueError("Numbers grew beyond bounds; lower the guidance, or choose another seed.")
    return convert.latent(model, x)


class _Steps:
    """The steps of sampling, and those of denoising after them, told as one count.

    Args:
        report: told of every step.
        more: steps of denoising.
    """

    def __init__(self, report: ProgressCallback, more: int) -> None:
        self._report, self._more = report, more
        self._done = self._total = 0

    def sampled(self, step: Progress) -> None:
        self._done, self._total = step.done, step.total + self._more
        self._report(dataclasses.replace(step, total=self._total))

    def denoised(self, x: Tensor) -> None:
        """One more step; `x` (B, C, H, W) is how far it is."""
        self._done += 1
        self._report(Progress(self._done, self._total, lambda: x))


def _parts(flow: Flow, z: Tensor) -> list[slice]:
    """Batches of what is denoised at once, since its memory grows with their size."""
    H, W = flow.grid(z)
    at_once = max(1, TOKENS_AT_ONCE // (H * W))
    return [slice(first, first + at_once) for first in range(0, len(z), at_once)]


def chosen_or_none(value: float) -> float | None:
    """A setting as `Sampling` has it: None for the model's own."""
    return None if value == OWN else value


def _shape(model: Model, aspect_ratio: str, width: int, height: int) -> tuple[int, int, int]:
    """Of one datum, (C, H, W)."""
    pipeline = model.pipeline
    side, multiple = pipeline.trained_side, pipeline.multiple
    if aspect_ratio == SIZE:
        width, height = checked_size((width, height), side, multiple)
    else:
        across, down = map(int, aspect_ratio.split(":"))
        width, height = fitted_size(across, down, side, multiple)
    return pipeline.flow.config.in_channels, height // pipeline.factor, width // pipeline.factor


def _sampler(model: Model, name: str, tolerance: float) -> Sampler:
    if name == "sequential":
        return Sequential()
    return Jacobi(tolerance=tolerance, iterations=model.pipeline.defaults.iterations)
