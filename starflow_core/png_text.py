"""Prompt, seed and settings in a picture's file: text chunks in PNG, an Exif comment in other formats."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from . import __version__
from .sampling import Sampling, guidance_options

if TYPE_CHECKING:
    from .pipeline import Pipeline

EXIF_IFD, USER_COMMENT = 0x8769, 0x9286
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


def exif_of(origin: Origin) -> Image.Exif:
    """Exif data whose UserComment is a JSON object of `prompt`, `seed` and `settings`; texts are cut where too long."""
    settings = {name: _cut(value) for name, value in origin.settings.items()}
    told = {"prompt": _cut(origin.prompt), "seed": origin.seed, "settings": settings}
    exif = Image.Exif()
    exif.endian = ">"  # of the UTF-16, which readers take to be big-endian whatever the file's own order is
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = UNICODE + json.dumps(told, ensure_ascii=False).encode("utf-16-be", "replace")
    return exif


def settings_of(pipeline: Pipeline, sampling: Sampling, sampler: str, tolerance: float) -> dict[str, Any]:
    """The settings of a drawing, including the model's defaults."""
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


def _cut(value: Any) -> Any:
    return value[:MOST_IN_EXIF] if isinstance(value, str) else value
