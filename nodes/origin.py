"""How latents were drawn, for the files of their pictures.

A conditioning carries its prompt, with a checksum of its features: nodes that compute others, such as Conditioning
(Average), keep the prompt, which is then not theirs.
"""

from __future__ import annotations

import hashlib
from typing import Any

from torch import Tensor

from starflow_core.drawing import Job
from starflow_core.png_text import Origin, drawn_with, settings_of
from starflow_core.sampling import Sampling

from .values import PROMPT, Conditioning, Model


def prompt_mark(prompt: str, features: Tensor) -> list[str]:
    """What a conditioning carries: the prompt, or the name of the class, and a checksum of its features."""
    return [prompt, _checksum(features)]


def prompt_of(conditioning: Conditioning | None) -> str | None:
    """The prompt or class that a conditioning was made of, "" where there is none; None where it was changed since."""
    if conditioning is None:
        return ""
    features, more = conditioning[0]
    prompt, checksum = more.get(PROMPT) or ("", "")
    return prompt if checksum == _checksum(features) else None


def origin_of(
    model: Model,
    sampling: Sampling,
    sampler: str,
    tolerance: float,
    prompts: tuple[str | None, str | None],
    seeds: list[int],
    **edit: Any,
) -> Origin | None:
    """The origin of a batch; None where a prompt is unknown.

    Args:
        model: that drew it.
        sampling: the chosen settings.
        sampler, tolerance: as `settings_of` takes them.
        prompts: the positive and the negative one, as `prompt_of` returns them.
        seeds: of the batch.
        edit: what was done to a picture, if it started from one.
    """
    positive, negative = prompts
    if positive is None or negative is None:
        return None
    settings = settings_of(model.pipeline, sampling, sampler, tolerance) | {"negative": negative} | edit
    jobs = [Job(positive, seed, seed) for seed in seeds]
    several = {"which": "any"} if len(jobs) > 1 else {}
    return Origin(positive, seeds[0], settings | drawn_with(jobs) | several)


def _checksum(features: Tensor) -> str:
    return hashlib.blake2b(features.detach().cpu().contiguous().numpy().tobytes(), digest_size=8).hexdigest()
