"""STARFlow Decode and STARFlow Encode."""

from __future__ import annotations

from typing import Annotated

import torch
from PIL import Image as Picture

from . import convert
from .declaration import IMAGE, LATENT, MODEL, Output, Socket, node
from .host import Host
from .values import Image, Latent, Model

PIXEL_MEMORY = 2_000 * 4  # bytes of the autoencoder's activations, by pixel


@node(
    "STARFlowDecode",
    "STARFlow Decode",
    "Turns a flow's latents into pictures.",
    outputs=(Output("image", IMAGE),),
    category="latent",
    aliases=("normalizing flow", "latent to image", "VAE decode"),
)
def decode(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    latent: Annotated[Latent, Socket("from STARFlow Sampler", LATENT)],
) -> Image:
    return convert.image(decoded(host, model, convert.data(model, latent)))


@node(
    "STARFlowEncode",
    "STARFlow Encode",
    "Turns pictures into latents that a flow can score and invert, at a size that it takes.",
    outputs=(Output("latent", LATENT),),
    category="latent",
    aliases=("normalizing flow", "image to latent", "VAE encode"),
)
def encode(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    image: Annotated[Image, Socket("any picture; it is scaled to a size that the model takes", IMAGE)],
) -> Latent:
    return convert.latent(model, encoded(host, model, image))


def encoded(host: Host, model: Model, image: Image) -> torch.Tensor:
    """The flow's data (B, C, H, W) of an IMAGE."""
    pipeline = model.pipeline
    fitted = [pipeline.fit(picture) for picture in convert.pictures(image)]
    width, height = fitted[0].size
    report = host.steps()
    x: list[torch.Tensor] = []
    with host.in_memory(model.autoencoder, width * height * PIXEL_MEMORY):
        for picture in fitted:
            x += pipeline.encode(picture, size=picture.size)
            report(len(x), len(fitted))
    return torch.stack(x)


def decoded(host: Host, model: Model, x: torch.Tensor) -> list[Picture.Image]:
    """Pictures from the flow's data (B, C, H, W)."""
    pixels = x.shape[-1] * x.shape[-2] * model.pipeline.factor**2
    report = host.steps()
    pictures: list[Picture.Image] = []
    with host.in_memory(model.autoencoder, pixels * PIXEL_MEMORY):
        for one in x:
            pictures += model.pipeline.decode(one[None])
            report(len(pictures), len(x))
    return pictures
