"""A picture drawn from its own noise, under another prompt."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from ..images import AnyImage
from ..samplers import ProgressCallback
from ..sampling import Sampling
from .source import Model, Source, check_prompts, check_single, checked_finite


def restyle(
    model: Model,
    image: AnyImage,
    prompt: str,
    to: str,
    sampling: Sampling,
    progress: ProgressCallback | None = None,
) -> Image.Image:
    """See `Pipeline.restyle`."""
    if not model.is_conditional:
        raise ValueError(f"The model {model.name!r} knows no prompts, and restyling needs two; choose another model.")
    check_prompts(model, prompt, to)
    check_single(sampling)
    own, wanted, away = (model.condition([text]) for text in (prompt, to, sampling.negative))
    source = Source.of(model, image, own, sampling.size)
    return model.decode(checked_finite(model.draw(source.z, wanted, away, guided(model, sampling), progress)))[0]


def guided(model: Model, sampling: Sampling) -> Sampling:
    """Settings with half of the model's own guidance where none is chosen: all of it changes the shape, too."""
    return sampling if sampling.guidance is not None else replace(sampling, guidance=model.defaults.guidance / 2)
