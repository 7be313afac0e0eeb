"""A drawn picture drawn again from what its file says, and how far the two are apart."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..drawing import Conditions, Job
from ..flow.noise import seeded_noise
from ..images import as_rgb, psnr, to_tensor
from ..pipeline import Pipeline
from ..png_text import Origin
from ..samplers import ProgressCallback, Sequential
from ..sampling import Sampling
from ..weights import model_folder
from ..weights.store import find
from .origin import jobs_of, origins_in, sampling_of

DTYPES = ("float32", "bfloat16", "float16")
MOST_THREADS = 64
LOSSY = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Reproduction:
    """A picture drawn again.

    Attributes:
        image: the picture that was drawn now.
        origin: what the file says.
        largest: the largest difference of a colour value, in 8-bit levels; 0 for identical pictures.
        mean: the mean absolute difference of colour values, in 8-bit levels.
        psnr: in dB; infinite for identical pictures.
        remarks: what was otherwise when the file was written, such as the weights, in sentences.
    """

    image: Image.Image
    origin: Origin
    largest: int
    mean: float
    psnr: float
    remarks: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        """Whether every bit of the two pictures is the same."""
        return self.largest == 0

    @property
    def in_words(self) -> str:
        """How far the two are apart."""
        if self.is_identical:
            return "bit-identical"
        return f"differs by {self.largest} of 255 at most, {self.mean:.3f} in the mean; {self.psnr:.1f} dB PSNR"


def reproduce(
    path: str | os.PathLike[str],
    pipeline: Pipeline | None = None,
    *,
    progress: ProgressCallback | None = None,
) -> Reproduction:
    """Draw a picture again from the prompt, seed and settings in its file, and compare the two.

    Args:
        path: of a PNG, or of a WebP or JPEG, that `starflow generate`, the demo or the nodes wrote.
        pipeline: the model; by default, the one that the file names, in its dtype.
        progress: called after every step; an exception that it raises ends the drawing.

    Raises:
        NoOrigin: the file does not say how it was drawn.
        ValueError: the file cannot be read, its model is not on this machine, or the picture was not drawn from noise
            of a seed alone.
    """
    return reproduced(path, model_of if pipeline is None else lambda origin: pipeline, progress)


def reproduced(
    path: str | os.PathLike[str],
    model: Callable[[Origin], Pipeline],
    progress: ProgressCallback | None = None,
    *,
    kept: dict[str, Tensor] | None = None,
) -> Reproduction:
    """`reproduce` with a function that gives the model of an origin; of several origins, the nearest counts.

    `kept` holds the last batch from one call to the next, since pictures of a folder mostly come from the same.
    """
    origins = origins_in(path)
    image = as_rgb(path)
    found = []
    for origin in origins:
        if len(origins) == 1:
            check_is_drawn(origin, Path(path).name)
        elif origin.settings.get("edit") is not None:
            continue
        found.append(_nearest(image, origin, model(origin), Path(path).suffix, progress, {} if kept is None else kept))
    if not found:
        check_is_drawn(origins[0], Path(path).name)
    return min(found, key=lambda one: one.mean)


def check_is_drawn(origin: Origin, name: str) -> None:
    """Check that a picture was drawn from noise of a seed alone.

    Raises:
        ValueError: it was made of another picture, which its file does not hold.
    """
    edit = origin.settings.get("edit")
    if edit is not None:
        how = edit if isinstance(edit, str) and edit.isalpha() and len(edit) < 20 else "edit"
        raise ValueError(f"{name} was made of another picture ({how}), which its file does not hold; start from that.")


def model_of(origin: Origin, *, device: str | None = None, dtype: str | None = None) -> Pipeline:
    """The model that a picture's file names; by default in its dtype, and on its device where that is here.

    A file's word opens no folder: the model must be an embedded or a fetched one.

    Raises:
        ValueError: there is no such model on this machine.
    """
    name, dtype = origin.settings["model"], dtype or origin.settings.get("dtype")
    folder = model_folder.EMBEDDED / name if name in model_folder.embedded_models() else find(name)
    if folder is None:
        raise ValueError(f"The model {name[:80]!r}, which the file names, is not here; give its folder with --model.")
    return model_folder.load(
        folder, device=device or _device(origin), dtype=getattr(torch, dtype) if dtype in DTYPES else None
    )


def _device(origin: Origin) -> str | None:
    """The device that the file names; None, for the best, where it is not here."""
    device = origin.settings.get("device")
    try:
        return str(model_folder.checked_device(device)) if isinstance(device, str) else None
    except (ValueError, RuntimeError):
        return None


def _nearest(
    image: Image.Image,
    origin: Origin,
    pipeline: Pipeline,
    suffix: str,
    progress: ProgressCallback | None,
    kept: dict[str, Tensor],
) -> Reproduction:
    """The picture drawn again; of a batch in which it may be any, the nearest."""
    remarks = _remarks(origin, pipeline)
    if suffix.lower() in LOSSY:
        remarks.append("JPEG does not keep pixels as they are.")
    drawn = _drawn(origin, pipeline, image.size, progress, kept)
    return min((_compared(image, again, origin, tuple(remarks)) for again in drawn), key=lambda one: one.mean)


def _compared(image: Image.Image, again: Image.Image, origin: Origin, remarks: tuple[str, ...]) -> Reproduction:
    apart = np.abs(np.asarray(again, dtype=np.int16) - np.asarray(image, dtype=np.int16))
    decibels = psnr(to_tensor(again), to_tensor(image))
    return Reproduction(again, origin, int(apart.max()), float(apart.mean()), decibels, remarks)


def _drawn(
    origin: Origin,
    pipeline: Pipeline,
    size: tuple[int, int],
    progress: ProgressCallback | None,
    kept: dict[str, Tensor],
) -> list[Image.Image]:
    """The picture, drawn with as many threads, and with all that were drawn at once: rounding depends on both."""
    sampling, sampler, tolerance = sampling_of(origin)
    sampling = replace(sampling, sampler=Sequential() if sampler == "sequential" else pipeline.jacobi(tolerance))
    jobs, shape = jobs_of(origin), pipeline.shape(size)
    threads = origin.settings.get("threads")
    which = repr((id(pipeline), size, replace(sampling, seed=0), [job[:2] for job in jobs], threads))
    if which not in kept:
        kept.clear()
        with _threads(threads):
            kept[which] = _batch(pipeline, jobs, shape, sampling, progress)
    x = kept[which]
    if origin.settings.get("which") != "any":
        place = [(job.prompt, job.seed) for job in jobs].index((origin.prompt, origin.seed))
        x = x[place : place + 1]
    if not bool(x.isfinite().all()):
        raise ValueError("Numbers grew beyond bounds; the settings in the file are not those of this model.")
    with _threads(threads):
        return pipeline.decode(x)


def _batch(
    pipeline: Pipeline, jobs: Sequence[Job], shape: Sequence[int], sampling: Sampling, progress: ProgressCallback | None
) -> Tensor:
    """The flow's data (B, C, H, W) of a batch, as `Pipeline.pictures` draws it."""
    prompts = list(dict.fromkeys(job.prompt for job in jobs))
    conditions = Conditions(pipeline.condition, [sampling.negative, *prompts])
    noise = pipeline.temperature(sampling) * torch.cat([seeded_noise(shape, job.seed, 1) for job in jobs])
    given = conditions.of(*(job.prompt for job in jobs))
    return pipeline.draw(noise, given, conditions.of(sampling.negative), sampling, progress)


@contextmanager
def _threads(number: object) -> Iterator[None]:
    """Compute with this number of threads, if it is one."""
    before = torch.get_num_threads()
    if isinstance(number, int) and 1 <= number <= MOST_THREADS:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _remarks(origin: Origin, pipeline: Pipeline) -> list[str]:
    """What is otherwise now, in sentences."""
    told = origin.settings
    here = {
        "dtype": str(pipeline.flow.dtype).removeprefix("torch."),
        "device": pipeline.flow.device.type,
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    remarks = [
        f"{name}: {str(told[name])[:40]} when it was drawn, {value} now."
        for name, value in here.items()
        if name in told and told[name] != value
    ]
    weights = told.get("weights")
    if not isinstance(weights, dict):
        return [*remarks, "The file does not identify the weights."]
    other = [part for part, digits in pipeline.fingerprint.items() if part in weights and weights[part] != digits]
    return [*(f"The weights of the {part} are others than those that drew it." for part in other), *remarks]
