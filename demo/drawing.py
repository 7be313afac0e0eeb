"""Drawing of pictures from prompts, for several visitors in one batch."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from nodes import convert
from nodes.likelihood import Scored
from nodes.pictures import decode
from nodes.sampling import chosen_or_none, datum_shape, sample
from nodes.values import Conditioning, Latent, Model
from starflow_core.drawing import Job
from starflow_core.flow.noise import seeded_noise
from starflow_core.png_text import drawn_with, settings_of
from starflow_core.sampling import Sampling

from .accelerator import accelerated
from .host import DemoHost
from .steps import Done, Step, Together, Watch, in_steps
from .work import check, one, prompted, scored, work_of

# Settings of STARFlow Sampler that must be the same for all requests of a batch.
SHARED = ("aspect_ratio", "width", "height", "guidance", "sampler", "tolerance", "denoise")


@dataclass(frozen=True)
class Drawn:
    """A drawn picture, with its prompt, seed and settings, and its likelihood given the prompt."""

    picture: Image.Image
    prompt: str
    seed: int
    settings: dict[str, Any]
    scored: Scored


@dataclass(frozen=True)
class Wanted:
    """The request of one visitor; `sampling` holds inputs of STARFlow Sampler."""

    prompt: str
    negative: str
    sampling: dict[str, Any]


@accelerated
def draw(prompt: str, negative: str, model_name: str, sampling: dict[str, Any]) -> Iterator[Step | Done[list[Drawn]]]:
    """Draw pictures of a prompt or of a class; `sampling` holds inputs of STARFlow Sampler.

    Waiting requests of other visitors are drawn in the same batch if they have the same model, size and settings. The
    noise of a picture depends on its seed alone. So the batch changes a picture only within the sampler's tolerance
    and rounding.
    """
    yield from in_steps(
        Together(
            kind=(model_name, *(sampling[name] for name in SHARED)),
            count=sampling["batch_size"],
            request=Wanted(prompt, negative, sampling),
            run=functools.partial(draw_all, model_name),
        )
    )


def draw_all(model_name: str, wanted: Sequence[Wanted], watch: Watch) -> list[list[Drawn]]:
    """Draw the pictures of several requests with the same shared settings in one batch; return those of each."""
    host = DemoHost(watch)
    asked = [prompted(host, model_name, request.prompt, request.negative) for request in wanted]
    model = asked[0][0]
    for request in wanted:
        check(work_of(sample, {"model": model, **request.sampling}))
    positive, negative = [given for _, given, _ in asked], [given for _, _, given in asked]
    if len(wanted) == 1:  # gives the same bits as the command `starflow`
        latent = one(sample, host, model=model, positive=positive[0], negative=negative[0], **wanted[0].sampling)
    else:
        latent = _at_once(host, model, wanted, positive, negative)
    pictures = iter(convert.pictures(one(decode, host, model=model, latent=latent)))
    # Of a batch with others, the file does not tell what they asked for.
    together = drawn_with([Job(wanted[0].prompt, seed, seed) for seed in _seeds(wanted[0])]) if len(wanted) == 1 else {}
    return [
        [_drawn(watch, host, model, positive, request, seed, next(pictures), together) for seed in _seeds(request)]
        for request, (_, positive, _) in zip(wanted, asked, strict=True)
    ]


def _at_once(
    host: DemoHost,
    model: Model,
    wanted: Sequence[Wanted],
    positive: Sequence[Conditioning | None],
    negative: Sequence[Conditioning | None],
) -> Latent:
    counts = [request.sampling["batch_size"] for request in wanted]
    shared = {name: wanted[0].sampling[name] for name in SHARED}
    noise = torch.cat([_noise(model, request.sampling) for request in wanted])
    latent: Latent = one(
        sample,
        host,
        model=model,
        positive=_joined(positive, counts),
        negative=_joined(negative, counts),
        noise=convert.noise_latent(model, noise),
        **{**shared, "denoise": _denoise(model, shared["denoise"])},
    )
    return latent


def _noise(model: Model, sampling: dict[str, Any]) -> torch.Tensor:
    """Return the noise (B, C, H, W) of a request's seeds, scaled by its temperature."""
    shape = datum_shape(model, sampling["aspect_ratio"], sampling["width"], sampling["height"])
    temperature = model.pipeline.temperature(Sampling(temperature=chosen_or_none(sampling["temperature"])))
    return temperature * seeded_noise(shape, sampling["seed"], sampling["batch_size"])


def _joined(conditionings: Sequence[Conditioning | None], counts: Sequence[int]) -> Conditioning | None:
    """Join conditionings to one, with a row for each picture."""
    given = [one[0] for one in conditionings if one is not None]
    if not given:
        return None
    rows = [features.expand(count, *features.shape[1:]) for (features, _), count in zip(given, counts, strict=True)]
    return [[torch.cat(rows), given[0][1]]]


def _denoise(model: Model, chosen: str) -> str:
    """Return the setting `denoise`, with the model's default filled in.

    The sampler applies that default only when it draws from a seed, and here it is given noise.
    """
    return "on" if chosen == "default" and model.pipeline.defaults.denoise else chosen


def _seeds(wanted: Wanted) -> list[int]:
    return Sampling(seed=wanted.sampling["seed"], count=wanted.sampling["batch_size"]).seeds()


def _drawn(
    watch: Watch,
    host: DemoHost,
    model: Model,
    positive: Conditioning | None,
    wanted: Wanted,
    seed: int,
    picture: Image.Image,
    together: dict[str, Any],
) -> Drawn:
    watch.step(1.0)
    settings = _settings(model, wanted.negative, wanted.sampling) | together
    return Drawn(picture, wanted.prompt, seed, settings, scored(host, model, positive, picture))


def _settings(model: Model, negative: str, sampling: dict[str, Any]) -> dict[str, Any]:
    """Return the settings in the form that the command `starflow` writes into its files."""
    chosen = Sampling(
        guidance=chosen_or_none(sampling["guidance"]),
        temperature=chosen_or_none(sampling["temperature"]),
        negative=negative,
        denoise={"on": True, "off": False}.get(sampling["denoise"]),
    )
    return settings_of(model.pipeline, chosen, sampling["sampler"], sampling["tolerance"])
