"""The actions of the pages, by means of the nodes. This module does not use Gradio.

Every action is a generator: it yields steps, and at last the result. Closing the generator cancels the action.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
PARTS = (MODEL, TEXT_ENCODER, VAE)  # too large to pass around: the function that needs one gets it from its node again
BY_ID = {node.id: node for node in NODES}


@accelerated
def score(
    pictures: Sequence[Image.Image], prompt: str, model_name: str, draws: int, seed: int
) -> Iterator[Step | Done[list[Scored]]]:
    """Score pictures, given a prompt or a class, or given nothing where `prompt` is empty."""

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
    """A picture that the flow took to noise and back.

    Attributes:
        picture: the picture, scaled and cropped as the model takes it.
        back: the picture that the flow and the autoencoder made from the noise.
        error: the relative L2 error of the latents that came back through the flow.
        psnr: the PSNR of `back`, in dB; it measures the loss in the autoencoder, where there is one.
        varied: the variations, each drawn from the noise with part of it replaced by fresh noise.
        seeds: the seeds of the fresh noise, one for each variation.
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
    """Take a picture to noise and back, and draw `count` variations; `sampling` holds inputs of STARFlow Sampler."""

    def work(watch: Watch) -> Inverted:
        host = DemoHost(watch)
        model, given, steered = prompted(host, model_name, prompt, "")
        fitted = model.pipeline.fit(picture)
        latent = one(encode, host, model=model, image=convert.image([fitted]))
        noise = one(invert, host, model=model, latent=latent, conditioning=given)
        exact = {**sampling, "guidance": 0.0, "variation": 0.0, "sampler": "sequential"}
        returned = one(sample, host, model=model, positive=given, noise=noise, **exact)
        back = convert.pictures(one(decode, host, model=model, latent=returned))[0]
        asked = {**sampling, "variation": 0.0, "strength": sampling["variation"], "batch_size": count}
        repeated: Latent = {**latent, "samples": latent["samples"].expand(count, -1, -1, -1)}
        anew = one(sample, host, model=model, positive=given, negative=steered, latent=repeated, **asked)
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
    """A reference to a part of a model: the node that returns it, the node's inputs, and the place of the output.

    Running the node again gives the part. This is cheap, since the host keeps models in memory.
    """

    node: str
    values: tuple[tuple[str, Any], ...]
    output: int


@accelerated
def run(node_id: str, values: dict[str, Any], tell: Callable[[str], object]) -> Iterator[Step | Done[tuple[Any, ...]]]:
    """Run a node and return its outputs.

    In inputs and outputs, an `Again` stands for each part of a model. `tell` gets the remarks of the node.
    """

    def work(watch: Watch) -> tuple[Any, ...]:
        return outputs_of(BY_ID[node_id], DemoHost(watch, tell), values)

    yield from in_steps(work)


def outputs_of(node: Node, host: DemoHost, values: dict[str, Any]) -> tuple[Any, ...]:
    """Return the outputs of a node, with an `Again` for each part of a model."""
    shown = run_node(node, host, **{name: _had(host, value) for name, value in values.items()})
    return tuple(
        Again(node.id, tuple(values.items()), i) if output.type in PARTS else value
        for i, (output, value) in enumerate(zip(node.outputs, shown.outputs, strict=True))
    )


def _had(host: DemoHost, value: Any) -> Any:
    if not isinstance(value, Again):
        return value
    given = {name: _had(host, one) for name, one in value.values}  # a model may be made of another
    return BY_ID[value.node](host, **given).outputs[value.output]
