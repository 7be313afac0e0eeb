"""STARFlow Morph."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from PIL import Image as Picture

from starflow_core.editing.morph import between, check_ends
from starflow_core.editing.source import checked_finite
from starflow_core.samplers import Sequential
from starflow_core.sampling import Sampling

from . import conditions, convert
from .declaration import CONDITIONING, IMAGE, LATENT, MODEL, Choice, Number, Output, Socket, node
from .host import Host
from .inversion import noise_of
from .pictures import decoded, encoded
from .sampling import OWN, chosen_or_none
from .values import Conditioning, Image, Latent, Model


@node(
    "STARFlowMorph",
    "STARFlow Morph",
    "The way from one picture to another, as a batch of frames: their noises are turned into each other on a sphere, "
    "and every frame is drawn by the flow's exact inverse.",
    outputs=(
        Output("image", IMAGE, "the frames, for Save Animated WEBP or Create Video; the first and last are the two"),
        Output("latent", LATENT, "the same as latents, for STARFlow Likelihood"),
    ),
    category="sampling",
    aliases=(
        *("interpolate", "interpolation", "slerp", "in between", "tween", "animation", "transition", "cross-fade"),
        *("video", "normalizing flow"),
    ),
)
def morph(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    first: Annotated[Image, Socket("the picture to start from", IMAGE)],
    second: Annotated[Image, Socket("the picture to end with", IMAGE)],
    first_conditioning: Annotated[Conditioning | None, Socket("what the first shows", CONDITIONING)] = None,
    second_conditioning: Annotated[
        Conditioning | None, Socket("what the second shows; by default the same", CONDITIONING)
    ] = None,
    frames: Annotated[int, Number("number of pictures, with both ends", 2, 256, 1)] = 16,
    sampler: Annotated[
        str, Choice("jacobi is faster; sequential is the reference", ("jacobi", "sequential"))
    ] = "jacobi",
    tolerance: Annotated[float, Number("of jacobi, against sequential: 0.01 is 1 %", 0.0001, 0.5, 0.0001)] = 0.01,
    temperature: Annotated[
        float, Number("of the noise half way: lower for plainer, safer pictures; -1 is the model's own", -1, 2, 0.01)
    ] = OWN,
) -> tuple[Image, Latent]:
    pipeline = model.pipeline
    pictures = [_only(convert.pictures(image), which) for image, which in ((first, "first"), (second, "second"))]
    check_ends(*(pipeline.fit(picture) for picture in pictures))
    ends = [encoded(host, model, image) for image in (first, second)]
    own = conditions.condition(host, model, first_conditioning, 1)
    other = own if second_conditioning is None else conditions.condition(host, model, second_conditioning, 1)
    own, other = conditions.of_one_length(own, other)
    noises = noise_of(host, model, ends[0], own), noise_of(host, model, ends[1], other)
    chosen = Sampling(
        sampler=Sequential() if sampler == "sequential" else pipeline.jacobi(tolerance),
        guidance=0.0,
        temperature=chosen_or_none(temperature),
    )
    shares = [i / (frames - 1) for i in range(frames)]
    z, given = between((noises[0].cpu(), noises[1].cpu()), (own, other), shares, pipeline.temperature(chosen))
    batch = min(len(z), pipeline.at_once(z.shape[1:], given, chosen))
    with host.in_memory(model.flow, pipeline.memory(batch, z.shape[1:], given, chosen)) as free:
        chosen = dataclasses.replace(chosen, memory=free)
        x = checked_finite(pipeline.draw(z, given, None, chosen, host.progress(model), share=0))
    return convert.image(decoded(host, model, x)), convert.latent(model, x)


def _only(pictures: list[Picture.Image], which: str) -> Picture.Image:
    """The picture of a batch of one.

    Raises:
        ValueError: there are several.
    """
    if len(pictures) != 1:
        raise ValueError(f"The {which} image holds {len(pictures)} pictures; a morph goes from one picture to another.")
    return pictures[0]
