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
from nodes.conditioning import encode_text, label_class
from nodes.declaration import MODEL, TEXT_ENCODER, VAE, Node
from nodes.inversion import invert
from nodes.likelihood import Scored, likelihood
from nodes.loading import load
from nodes.pictures import decode, encode
from nodes.sampling import chosen_or_none, sample
from nodes.values import Conditioning, Latent, Model
from starflow_core.images import psnr, to_tensor
from starflow_core.png_text import settings_of
from starflow_core.sampling import Sampling

from .accelerator import accelerated
from .host import DemoHost
from .steps import Done, Step, Watch, in_steps

PARTS = (MODEL, TEXT_ENCODER, VAE)  # too large to be passed around: they are made again where they are needed
BY_ID = {node.id: node for node in NODES}


@dataclass(frozen=True)
class Drawn:
    """A picture, with what it was drawn with, and its likelihood given its prompt."""

    picture: Image.Image
    prompt: str
    seed: int
    settings: dict[str, Any]
    scored: Scored


@accelerated
def draw(prompt: str, negative: str, model_name: str, sampling: dict[str, Any]) -> Iterator[Step | Done[list[Drawn]]]:
    """Pictures of a prompt, or of a class; `sampling` holds inputs of STARFlow Sampler."""

    def work(watch: Watch) -> list[Drawn]:
        host = DemoHost(watch)
        model, positive, steered = _prompted(host, model_name, prompt, negative)
        latent = _one(sample, host, model=model, positive=positive, negative=steered, **sampling)
        pictures = convert.pictures(_one(decode, host, model=model, latent=latent))
        settings = _settings(model, negative, sampling)
        seeds = Sampling(seed=sampling["seed"], count=len(pictures)).seeds()
        drawn = []
        for seed, picture in zip(seeds, pictures, strict=True):
            watch.step(1.0)
            drawn.append(Drawn(picture, prompt, seed, settings, _scored(host, model, positive, picture)))
        return drawn

    yield from in_steps(work)


@accelerated
def score(
    pictures: Sequence[Image.Image], prompt: str, model_name: str, draws: int, seed: int
) -> Iterator[Step | Done[list[Scored]]]:
    """Likelihoods of pictures, given a prompt or a class, or nothing in particular."""

    def work(watch: Watch) -> list[Scored]:
        host = DemoHost(watch)
        model, given, _ = _prompted(host, model_name, prompt, "")
        scored = []
        for i, picture in enumerate(pictures):
            watch.step(i / len(pictures))
            scored.append(_scored(host, model, given, picture, draws=draws, seed=seed))
        return scored

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
        model, given, steered = _prompted(host, model_name, prompt, "")
        fitted = model.pipeline.fit(picture)
        latent = _one(encode, host, model=model, image=convert.image([fitted]))
        noise = _one(invert, host, model=model, latent=latent, conditioning=given)
        exact = {**sampling, "guidance": 0.0, "variation": 0.0, "sampler": "sequential"}
        returned = _one(sample, host, model=model, positive=given, noise=noise, **exact)
        back = convert.pictures(_one(decode, host, model=model, latent=returned))[0]
        repeated: Latent = {**noise, "samples": noise["samples"].expand(count, -1, -1, -1)}
        anew = _one(sample, host, model=model, positive=given, negative=steered, noise=repeated, **sampling)
        return Inverted(
            picture=fitted,
            back=back,
            error=float((returned["samples"] - latent["samples"]).norm() / latent["samples"].norm()),
            psnr=psnr(to_tensor(back), to_tensor(fitted)),
            varied=convert.pictures(_one(decode, host, model=model, latent=anew)),
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
    shown = node(host, **{name: _had(host, value) for name, value in values.items()})
    return tuple(
        Again(node.id, tuple(values.items()), i) if output.type in PARTS else value
        for i, (output, value) in enumerate(zip(node.outputs, shown.outputs, strict=True))
    )


def _had(host: DemoHost, value: Any) -> Any:
    if not isinstance(value, Again):
        return value
    return BY_ID[value.node](host, **dict(value.values)).outputs[value.output]


def _one(node: Node, host: DemoHost, **values: Any) -> Any:
    """The output of a node that has one."""
    (output,) = node(host, **values).outputs
    return output


def _prompted(
    host: DemoHost, model_name: str, prompt: str, negative: str
) -> tuple[Model, Conditioning | None, Conditioning | None]:
    """A model, and what it is asked for and steered away from, in words or by class."""
    model, text_encoder, _ = load(host, model=model_name, dtype="default", accept_licence=False).outputs
    if text_encoder is not None:
        positive, steered = (
            _one(encode_text, host, text_encoder=text_encoder, text=text) for text in (prompt, negative)
        )
        return model, positive, steered
    if model.pipeline.classes is not None:
        positive, steered = (_one(label_class, host, model=model, name=name.strip()) for name in (prompt, negative))
        return model, positive, steered
    if prompt.strip():
        raise ValueError(f"The model {model_name} knows no prompts; leave the prompt empty.")
    return model, None, None


def _scored(host: DemoHost, model: Model, given: Conditioning | None, picture: Image.Image, **settings: Any) -> Scored:
    shown = likelihood(host, model=model, image=convert.image([picture]), conditioning=given, **settings)
    scored: Scored = shown.details[0]
    return scored


def _settings(model: Model, negative: str, sampling: dict[str, Any]) -> dict[str, Any]:
    """As the command `starflow` has them in its files."""
    chosen = Sampling(
        guidance=chosen_or_none(sampling["guidance"]),
        temperature=chosen_or_none(sampling["temperature"]),
        negative=negative,
        denoise={"on": True, "off": False}.get(sampling["denoise"]),
    )
    return settings_of(model.pipeline, chosen, sampling["sampler"], sampling["tolerance"])
