"""What a drawn picture's PNG file says of how it was drawn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from PIL.PngImagePlugin import PngInfo

from . import __version__
from .sampling import Sampling, guidance_options

if TYPE_CHECKING:
    from .pipeline import Pipeline


def png_text(prompt: str, seed: int, settings: dict[str, Any]) -> PngInfo:
    """Text chunks `prompt`, `seed`, and `settings` as JSON."""
    text = PngInfo()
    text.add_itxt("prompt", prompt.encode("utf-8", "replace").decode())
    text.add_itxt("seed", str(seed))
    text.add_itxt("settings", json.dumps(settings))
    return text


def settings_of(pipeline: Pipeline, sampling: Sampling, sampler: str, tolerance: float) -> dict[str, Any]:
    """What pictures were drawn with, the model's defaults included."""
    return {
        "model": pipeline.name,
        "guidance": pipeline.defaults.guidance if sampling.guidance is None else sampling.guidance,
        **guidance_options(sampling, pipeline.defaults),
        "negative": sampling.negative,
        "sampler": sampler,
        "tolerance": tolerance if sampler == "jacobi" else None,
        "denoise": pipeline.defaults.denoise if sampling.denoise is None else sampling.denoise,
        "temperature": pipeline.temperature(sampling),
        "version": __version__,
    }
