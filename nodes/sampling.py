"""STARFlow Sampler."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import torch

from starflow_core.editing.vary import fresh_share, varied
from starflow_core.flow.noise import seeded_noise
from starflow_core.images import fitted_size
from starflow_core.samplers import Sequential
from starflow_core.sampling import Sampling

from . import conditions, convert
from .declaration import CONDITIONING, LATENT, MODEL, Choice, Number, Output, Seed, Shown, Socket, node
from .host import Host
from .inversion import noise_of
from .known import RATIOS
from .masked_sampling import drawn_in_mask
from .origin import origin_of, prompt_of
from .values import Conditioning, Latent, Model

OWN = -1.0  # guidance and temperature: the model's
SIZE = "width and height"
DENOISE = ("default", "on", "off")


@node(
    "STARFlowSampler",
    "STARFlow Sampler",
    "Draws latents with a normalizing flow: from noise of a seed, or from the noise of a picture, which gives that "
    "picture back.",
    outputs=(Output("latent", LATENT, "for STARFlow Decode or VAE Decode"),),
    category="sampling",
    aliases=(
        "normalizing flow",
        "TarFlow",
        "text to image",
        "generate",
        "draw",
        "KSampler",
        "jacobi",
        "variation",
        "image to image",
        "img2img",
        "inpainting",
        "Set Latent Noise Mask",
    ),
    essentials="Image Generation",
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
    width: Annotated[
        int,
        Number("of what will be drawn, in pixels; yours where the aspect ratio is width and height", 8, 4096, 8),
    ] = 256,
    height: Annotated[
        int,
        Number("of what will be drawn, in pixels; yours where the aspect ratio is width and height", 8, 4096, 8),
    ] = 256,
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
    latent: Annotated[
        Latent | None,
        Socket("a picture to start from, or to draw into where it has a mask; instead of a size or noise", LATENT),
    ] = None,
    strength: Annotated[
        float, Number("with a latent connected: how far to depart from it; 0 keeps the picture, 1 draws another")
    ] = 0.5,
) -> Shown:
    pipeline = model.pipeline
    if latent is not None and noise is not None:
        raise ValueError("Both a latent and noise are connected; connect one of them.")
    own = None if noise is None else False  # a picture's own noise gives it back as it was
    chosen = Sampling(
        guidance=chosen_or_none(guidance),
        temperature=chosen_or_none(temperature),
        sampler=Sequential() if sampler == "sequential" else pipeline.jacobi(tolerance),
        denoise=own if denoise == "default" else denoise == "on",
    )
    if latent is not None and strength == 0:
        convert.data(model, latent)  # what is no picture of the model is told
        return Shown(({**convert.beside(latent), "samples": latent["samples"]},))
    prompts = (prompt_of(positive), prompt_of(negative))
    if latent is not None and convert.is_masked(latent):
        asked = dataclasses.replace(chosen, seed=seed, count=batch_size)
        drawn, used = drawn_in_mask(host, model, latent, positive, negative, asked)
        origin = origin_of(model, used, sampler, tolerance, prompts, used.seeds(), edit="inpaint")
        return Shown((drawn,), origin)
    share = 1.0
    if latent is not None:
        x = convert.data(model, latent)
        share = fresh_share(strength)
        z = noise_of(host, model, x, conditions.condition(host, model, positive, 1))
        z = z.expand(batch_size, -1, -1, -1) if len(z) == 1 else z
        z = varied(z, pipeline.temperature(chosen) * seeded_noise(z.shape[1:], seed, len(z)).to(z), strength)
    elif noise is not None:
        z = convert.noise(model, noise)
        z = varied(z, pipeline.temperature(chosen) * seeded_noise(z.shape[1:], seed, len(z)), variation)
    else:
        shape = datum_shape(model, aspect_ratio, width, height)
        z = pipeline.temperature(chosen) * seeded_noise(shape, seed, batch_size)
    is_guided = pipeline.guidance(chosen, share).strength > 0
    condition = conditions.condition(host, model, positive, len(z))
    unconditional = conditions.condition(host, model, negative, len(z)) if is_guided else None
    condition, unconditional = conditions.of_one_length(condition, unconditional)
    batch = min(len(z), pipeline.at_once(z.shape[1:], condition, chosen))
    with host.in_memory(model.flow, pipeline.memory(batch, z.shape[1:], condition, chosen)) as free:
        chosen = dataclasses.replace(chosen, memory=free)
        x = pipeline.draw(z, condition, unconditional, chosen, host.progress(model), share=share)
    if not bool(torch.isfinite(x).all()):
        raise ValueError("Numbers grew beyond bounds; lower the guidance, or choose another seed.")
    edit = {} if latent is None and noise is None else {"edit": "vary"}
    seeds = Sampling(seed=seed, count=len(x)).seeds()
    origin = origin_of(model, chosen, sampler, tolerance, prompts, seeds, **edit)
    return Shown((convert.latent(model, x),), origin)


def chosen_or_none(value: float) -> float | None:
    """A setting for `Sampling`: None for the model's own."""
    return None if value == OWN else value


def datum_shape(model: Model, aspect_ratio: str, width: int, height: int) -> tuple[int, int, int]:
    """Of one datum, (C, H, W), for a picture of a ratio or of a width and height in pixels."""
    pipeline = model.pipeline
    if aspect_ratio == SIZE:
        return pipeline.shape((width, height))
    across, down = map(int, aspect_ratio.split(":"))
    return pipeline.shape(fitted_size(across, down, pipeline.trained_side, pipeline.multiple))
