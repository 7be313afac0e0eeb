"""Prompt, seed and settings in a picture's file, and the model that drew it, so that it can be drawn again.

PNG has them in the text chunks `prompt`, `seed` and `settings`, or in the one chunk `starflow` where another program
writes a `prompt` of its own; other formats in an Exif comment. `recover` reads them.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from . import __version__
from .drawing import Job
from .sampling import Sampling, guidance_options

if TYPE_CHECKING:
    from .pipeline import Pipeline

EXIF_IFD, USER_COMMENT = 0x8769, 0x9286
IN_ONE = "starflow"  # the chunk of all in one, as a JSON object
UNICODE = b"UNICODE\0"  # in front of a comment in UTF-16
MOST_IN_EXIF = 5_000  # characters of a text: all that a JPEG file says of itself must fit into 64 kB


class Origin(NamedTuple):
    """Prompt, seed and settings of a picture."""

    prompt: str
    seed: int
    settings: dict[str, Any]


def png_text(prompt: str, seed: int, settings: dict[str, Any]) -> PngInfo:
    """Text chunks `prompt`, `seed`, and `settings` as JSON."""
    text = PngInfo()
    text.add_itxt("prompt", prompt.encode("utf-8", "replace").decode())
    text.add_itxt("seed", str(seed))
    text.add_itxt("settings", json.dumps(settings))
    return text


def in_one(origin: Origin) -> dict[str, Any]:
    """The JSON object of the chunk `starflow`, for programs whose own chunk is called `prompt`."""
    return {"prompt": origin.prompt, "seed": origin.seed, "settings": origin.settings}


def exif_of(origin: Origin) -> Image.Exif:
    """Exif data whose UserComment is a JSON object of `prompt`, `seed` and `settings`; texts are cut where too long."""
    settings = {name: _cut(value) for name, value in origin.settings.items()}
    told = {"prompt": _cut(origin.prompt), "seed": origin.seed, "settings": settings}
    exif = Image.Exif()
    exif.endian = ">"  # of the UTF-16, which readers take to be big-endian whatever the file's own order is
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = UNICODE + json.dumps(told, ensure_ascii=False).encode("utf-16-be", "replace")
    return exif


def settings_of(pipeline: Pipeline, sampling: Sampling, sampler: str, tolerance: float) -> dict[str, Any]:
    """The settings of a drawing, including the model's defaults, and what drew it: weights, dtype, device, versions."""
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
        "weights": pipeline.fingerprint,
        "dtype": str(pipeline.flow.dtype).removeprefix("torch."),
        "device": pipeline.flow.device.type,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }


def drawn_with(jobs: Sequence[Job]) -> dict[str, Any]:
    """The setting `batch`, of all pictures that were drawn at once: rounding depends on it. Empty for one alone.

    A prompt that all have in common stands in the picture's own text only.
    """
    if len(jobs) < 2:
        return {}
    is_common = len({job.prompt for job in jobs}) == 1
    return {"batch": [{"seed": job.seed} | ({} if is_common else {"prompt": job.prompt}) for job in jobs]}


def _cut(value: Any) -> Any:
    return value[:MOST_IN_EXIF] if isinstance(value, str) else value
