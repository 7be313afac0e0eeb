"""What a picture's file says of its drawing. Nothing in it is trusted."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any, TypeGuard

from PIL import Image

from ..drawing import Job
from ..flow.noise import SEEDS
from ..pipeline import BATCH
from ..png_text import EXIF_IFD, IN_ONE, UNICODE, USER_COMMENT, Origin
from ..sampling import GUIDANCE_OPTIONS, Sampling

LONGEST = 10_000  # characters of a prompt
MOST_TOGETHER = 4 * BATCH  # pictures of a batch
MOST_ORIGINS = 8
NOTHING = "says nothing of how it was drawn; only pictures that starflow, its nodes or its demo drew do."


class NoOrigin(ValueError):
    """A file says nothing of how it was drawn."""


def origins_in(path: str | os.PathLike[str]) -> list[Origin]:
    """The prompt, seed and settings in a picture's file; a graph of several samplers leaves those of each.

    Raises:
        NoOrigin: the file says nothing of them, or nothing that can be read.
        ValueError: the file cannot be read, or is no picture.
    """
    name = Path(path).name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()  # text chunks may follow the pixels
                told = _told(image)
    except FileNotFoundError:
        raise ValueError(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder; give pictures.") from None
    except RecursionError:
        raise NoOrigin(f"{name} {NOTHING}") from None
    except (Image.UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"{name} cannot be read as a picture: {error}.") from None
    except ValueError as error:  # of a text that is too long, or is no JSON
        raise NoOrigin(f"{name} {NOTHING} ({str(error)[:200]})") from None
    if not told:
        raise NoOrigin(f"{name} {NOTHING}")
    several = told[:MOST_ORIGINS] if isinstance(told, list) else [told]
    return [_checked(one, name) for one in several]


def _told(image: Image.Image) -> Any:
    """What the file says as one JSON value; None for nothing."""
    text = getattr(image, "text", {})
    if IN_ONE in text:
        return json.loads(text[IN_ONE])
    if "settings" in text and "seed" in text:
        return {"prompt": text.get("prompt"), "seed": _whole(text["seed"]), "settings": json.loads(text["settings"])}
    comment = image.getexif().get_ifd(EXIF_IFD).get(USER_COMMENT)
    if isinstance(comment, bytes) and comment.startswith(UNICODE):
        return json.loads(comment[len(UNICODE) :].decode("utf-16-be"))
    return None


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(SEEDS)) else None


def _checked(told: Any, name: str) -> Origin:
    if not isinstance(told, dict):
        raise NoOrigin(f"{name} {NOTHING}")
    prompt, seed, settings = told.get("prompt"), told.get("seed"), told.get("settings")
    if not isinstance(prompt, str) or not _is_seed(seed) or not isinstance(settings, dict) or len(prompt) > LONGEST:
        raise NoOrigin(f"{name} {NOTHING}")
    if not isinstance(settings.get("model"), str):
        raise NoOrigin(f"{name} does not say which model drew it; it was written by a version before 0.2.")
    return Origin(prompt, seed, settings)


def jobs_of(origin: Origin) -> list[Job]:
    """The pictures that were drawn at once with one, itself among them; it alone where the file does not say.

    Raises:
        ValueError: there are too many, or one has no seed.
    """
    alone = Job(origin.prompt, origin.seed, origin.seed)
    batch = origin.settings.get("batch")
    if batch is None:
        return [alone]
    if not isinstance(batch, list) or not 1 <= len(batch) <= MOST_TOGETHER:
        raise ValueError(f"The file says that it was drawn with others, and not with 1 to {MOST_TOGETHER}.")
    jobs = []
    for one in batch:
        prompt, seed = (one.get("prompt", origin.prompt), one.get("seed")) if isinstance(one, dict) else ("", None)
        if not isinstance(prompt, str) or len(prompt) > LONGEST or not _is_seed(seed):
            raise ValueError("The file says that it was drawn with others, and one of them has no prompt or seed.")
        jobs.append(Job(prompt, seed, seed))
    return jobs if (origin.prompt, origin.seed) in [(job.prompt, job.seed) for job in jobs] else [alone]


def sampling_of(origin: Origin) -> tuple[Sampling, str, float]:
    """Settings of the drawing as `Sampling`, with the name of the sampler and its tolerance.

    Raises:
        ValueError: a setting is out of range.
    """
    told = origin.settings
    sampler, tolerance = told.get("sampler", "jacobi"), told.get("tolerance")
    if sampler not in ("jacobi", "sequential"):
        raise ValueError(f"The file names a sampler that there is not: {str(sampler)[:40]!r}.")
    tolerance = 0.01 if tolerance is None else tolerance
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not 1e-5 <= tolerance <= 1:
        raise ValueError(f"The file names a tolerance of {str(tolerance)[:40]}; it must be a number from 0.00001 to 1.")
    negative = told.get("negative", "")
    if not isinstance(negative, str) or len(negative) > LONGEST:
        raise ValueError("The file names a negative prompt that is no text, or too long a one.")
    denoise = told.get("denoise")
    if denoise is not None and not isinstance(denoise, bool):
        raise ValueError("The file says neither true nor false of denoise.")
    options = {name: told[name] for name in GUIDANCE_OPTIONS if name in told}
    sampling = Sampling(
        seed=origin.seed,
        guidance=told.get("guidance"),
        negative=negative,
        denoise=denoise,
        temperature=told.get("temperature"),
        **options,
    )
    return sampling, sampler, float(tolerance)


def _is_seed(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < SEEDS
