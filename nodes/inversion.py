"""STARFlow Invert."""

from __future__ import annotations

from typing import Annotated

import torch

from starflow_core.insight.likelihood import TOKENS_AT_ONCE
from starflow_core.memory import forward_memory

from . import conditions, convert
from .declaration import CONDITIONING, IMAGE, LATENT, MODEL, Output, Socket, node
from .host import Host
from .likelihood import data_of
from .values import Conditioning, Image, Latent, Model


@node(
    "STARFlowInvert",
    "STARFlow Invert",
    "Takes a picture to the flow's noise. STARFlow Sampler, with guidance 0 and the same conditioning, brings it back "
    "exactly; with another conditioning, it draws the picture anew as something else.",
    outputs=(Output("noise", LATENT, "for the noise of STARFlow Sampler"),),
    category="insight",
    aliases=(
        "inversion",
        "inverse",
        "picture to noise",
        "encode noise",
        "DDIM inversion",
        "unsample",
        "normalizing flow",
    ),
)
def invert(
    host: Host,
    model: Annotated[Model, Socket("from STARFlow Loader", MODEL)],
    image: Annotated[Image | None, Socket("a picture; or a latent instead", IMAGE)] = None,
    latent: Annotated[Latent | None, Socket("from STARFlow Encode; or an image instead", LATENT)] = None,
    conditioning: Annotated[Conditioning | None, Socket("what the picture shows", CONDITIONING)] = None,
) -> Latent:
    x = data_of(host, model, image, latent)
    return convert.noise_latent(model, noise_of(host, model, x, conditions.condition(host, model, conditioning, 1)))


def noise_of(host: Host, model: Model, x: torch.Tensor, condition: torch.Tensor | None) -> torch.Tensor:
    """The flow's noise (B, C, H, W) of data, under one condition (1, …)."""
    flow = model.pipeline.flow
    H, W = flow.grid(x)
    parts = x.split(max(1, TOKENS_AT_ONCE // (H * W)))
    report = host.steps()
    report(0, len(x))
    z: list[torch.Tensor] = []
    with host.in_memory(model.flow, forward_memory(flow, len(parts[0]), (H, W), condition)), torch.no_grad():
        for part in parts:
            given = None if condition is None else condition.expand(len(part), *condition.shape[1:])
            z += flow(part, given).z
            report(len(z), len(x))
    return torch.stack(z)
