"""What the pages do, by the nodes alone: nothing here knows of Gradio.

Every action is a generator of steps, and at last of what is done; closing it cancels it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from nodes import convert
from nodes.catalogue import NODES
from nodes.declaration import MODEL, TEXT_ENCODER, VAE, Node
from nodes.inversion import invert
from nodes.likelihood import Scored
from nodes.pictures import decode, encode
from nodes.sampling import sample
from nodes.values import Latent
from starflow_core.images import psnr, to_tensor
from starflow_core.sampling import Sampling

from .accelerator import accelerated
from .drawing import Drawn, draw
from .host import DemoHost
from .steps import Done, Step, Watch, in_steps
from .work import check, one, prompted, run_node, scored, scoring_work

__all__ = ["Again", "Drawn", "Inverted", "draw", "outputs_of", "run", "score", "vary"]
PARTS = (MODEL, TEXT_ENCODER, VAE)  # too large to be passed around: they are made again where they are needed
BY_ID = {node.id: node for node in NODES}


@accelerated
def score(
    pictures: Sequence[Image.Image], prompt: str, model_name: str, draws: int, seed: int
) -> Iterator[Step | Done[list[Scored]]]:
    """Likelihoods of pictures, given a prompt or a class, or nothing in particular."""

    def work(watch: Watch) -> list[Scored]:
        host = DemoHost(watch)
        model, given, _ = prompted(host, model_name, prompt, "")
        check(scoring_work(len(pictures), draws))
        found = []
        for i, picture in enumerate(pictures):
            watch.step(i / len(pictures))
            found.append(scored(host, model, given, picture, draws=draws, seed=seed))
        return found

    yield from in_steps(work)


@dataclass(frozen=True)
class Inverted:
    """A picture that went to noise and back.

    Attributes:
        picture: as the model sees it.
        back: what came back.
        error: relative L2 error of what came back through the flow.
        psnr: of what came back, in dB; what the autoencoder loses, where there is one.
        varied: what came back where part of the noise gave way to fresh noise.
        seeds: of the fresh noise of each.
    """

    picture: Image.Image
    back: Image.Image
    error: float
    psnr: float
    varied: list[Image.Image]
    seeds: list[int]


@accelerated
def vary(
    picture: Image.Image, prompt: str, model_name: str, count: int, sampling: dict[str, Any]
) -> Iterator[Step | Done[Inverted]]:
    """A picture to noise and back, and `count` variations of it; `sampling` holds inputs of STARFlow Sampler."""

    def work(watch: Watch) -> Inverted:
        host = DemoHost(watch)
        model, given, steered = prompted(host, model_name, prompt, "")
        fitted = model.pipeline.fit(picture)
        latent = one(encode, host, model=model, image=convert.image([fitted]))
        noise = one(invert, host, model=model, latent=latent, conditioning=given)
        exact = {**sampling, "guidance": 0.0, "variation": 0.0, "sampler": "sequential"}
        returned = one(sample, host, model=model, positive=given, noise=noise, **exact)
        back = convert.pictures(one(decode, host, model=model, latent=returned))[0]
        repeated: Latent = {**noise, "samples": noise["samples"].expand(count, -1, -1, -1)}
        anew = one(sample, host, model=model, positive=given, negative=steered, noise=repeated, **sampling)
        return Inverted(
            picture=fitted,
            back=back,
            error=float((returned["samples"] - latent["samples"]).norm() / latent["samples"].norm()),
            psnr=psnr(to_tensor(back), to_tensor(fitted)),
            varied=convert.pictures(one(decode, host, model=model, latent=anew)),
            seeds=Sampling(seed=sampling["seed"], count=count).seeds(),
        )

    yield from in_steps(work)


@dataclass(frozen=True)
class Again:
    """An output of a node that is had by running it again, which a host makes cheap: a part of a model."""

    node: str
    values: tuple[tuple[str, Any], ...]
    output: int


@accelerated
def run(node_id: str, values: dict[str, Any]) -> Iterator[Step | Done[tuple[Any, ...]]]:
    """The outputs of a node; in its inputs and outputs, parts of models are `Again`."""

    def work(watch: Watch) -> tuple[Any, ...]:
        return outputs_of(BY_ID[node_id], DemoHost(watch), values)

    yield from in_steps(work)


def outputs_of(node: Node, host: DemoHost, values: dict[str, Any]) -> tuple[Any, ...]:
    """What `run` returns at last."""
    shown = run_node(node, host, **{name: _had(host, value) for name, value in values.items()})
    return tuple(
        Again(node.id, tuple(values.items()), i) if output.type in PARTS else value
        for i, (output, value) in enumerate(zip(node.outputs, shown.outputs, strict=True))
    )


def _had(host: DemoHost, value: Any) -> Any:
    if not isinstance(value, Again):
        return value
    return BY_ID[value.node](host, **dict(value.values)).outputs[value.output]
