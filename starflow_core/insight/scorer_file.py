"""The file of a scorer of odd pictures: a few tensors, and what they were fitted with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..weights.model_folder import model_folder
from ..weights.tensors import save_tensors
from .evaluation import fingerprint
from .oddity import LEAST_PICTURES, Settings

if TYPE_CHECKING:
    from ..pipeline import Pipeline

FORMAT, RATIO_FORMAT = "starflow-anomaly-3", "starflow-ratio-1"
KEYS = {FORMAT: ("model",), RATIO_FORMAT: ("model", "broader")}  # of the models that a scorer of a format has


def write(
    file: Path, format: str, models: Mapping[str, Pipeline], settings: Settings, tensors: Mapping[str, Tensor]
) -> None:
    """Write a scorer, without its models.

    Raises:
        OSError: the file cannot be written.
    """
    told = {"format": format, "settings": json.dumps(asdict(settings))}
    for key, pipeline in models.items():
        told |= {key: pipeline.name, _weights(key): fingerprint(pipeline.flow)}
    save_tensors(dict(tensors), file, told)


def format_of(file: Path) -> str:
    """The format of a scorer's file.

    Raises:
        ValueError: it is no such file.
    """
    return _told(file)["format"]


def model_of(file: Path, key: str = "model") -> str:
    """The name of a model that the scorer in a file was fitted with.

    Raises:
        ValueError: the file is not one of a scorer, or no model here has this name.
    """
    name = _told(file)[key]
    try:
        model_folder(name)
    except ValueError:
        raise ValueError(
            f"{file} was fitted with the model {name!r}, and none of this name is here; say which folder it is in."
        ) from None
    return name


def read(file: Path, format: str, models: Mapping[str, Pipeline]) -> tuple[Settings, dict[str, Tensor]]:
    """The settings and the tensors of a scorer that was fitted with these models.

    Raises:
        ValueError: the file is not one of such a scorer, or was fitted with other models or other weights.
    """
    told, tensors = _read(file)
    if told["format"] != format:
        raise _foreign(file)
    for key, pipeline in models.items():
        if (told[key], told[_weights(key)]) != (pipeline.name, fingerprint(pipeline.flow)):
            raise ValueError(
                f"{file} was fitted with the {'' if key == 'model' else f'{key} '}model {told[key]!r} of weights "
                f"{told[_weights(key)]}; load that one, or fit it again with {pipeline.name!r}."
            )
    try:
        return Settings(**json.loads(told["settings"])), tensors
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file} is damaged: its settings are none ({error}); fit it again.") from None


def check_tensors(file: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]]) -> None:
    """Check that the tensors of a file, beside its calibration, have some shapes, and hold numbers.

    A length of −1 stands for any but 0.

    Raises:
        ValueError: they do not.
    """
    scores = tensors.get("calibration")
    is_whole = tensors.keys() == {*shapes, "calibration"} and all(
        _fits(tensors[name].shape, shape) for name, shape in shapes.items()
    )
    has_scores = scores is not None and scores.ndim == 1 and len(scores) >= LEAST_PICTURES
    if not (is_whole and has_scores) or any(tensor.isnan().any() for tensor in tensors.values()):
        raise ValueError(f"{file} is damaged: its numbers are not those of a scorer; fit it again.")


def _fits(found: Sequence[int], expected: Sequence[int]) -> bool:
    return len(found) == len(expected) and all(
        length == wanted or (wanted == -1 and length > 0) for length, wanted in zip(found, expected, strict=True)
    )


def _told(file: Path) -> dict[str, str]:
    return _read(file)[0]


def _read(file: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The texts and the tensors of a scorer's file.

    Raises:
        ValueError: it is no such file.
    """
    try:
        with safe_open(file, "pt") as opened:
            told = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise ValueError(f"There is no file {file}.") from None
    except (SafetensorError, OSError):
        raise ValueError(f"{file} is no file of a scorer, or it is damaged; fit it again.") from None
    keys = KEYS.get(told.get("format", ""))
    if keys is None or not {"settings", *keys, *map(_weights, keys)} <= told.keys():
        raise _foreign(file)
    return told, tensors


def _foreign(file: Path) -> ValueError:
    return ValueError(f"{file} is no file of a scorer that this version reads; fit it again.")


def _weights(key: str) -> str:
    """The name of the hash of a model's weights."""
    return "weights" if key == "model" else f"{key}_weights"
