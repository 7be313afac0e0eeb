"""Bits per dimension of the 8-bit pictures in a folder, one by one, in a table that a later run continues."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from ..flow.noise import SEEDS
from ..images import as_rgb, middle_square, open_image, to_tensor
from ..pipeline import Pipeline
from .likelihood import TOKENS_AT_ONCE, check_has_pixels, discrete_bits_per_dim
from .reading import read_ahead

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".gif", ".tif", ".tiff")


@dataclass(frozen=True)
class Protocol:
    """How bits per dimension are measured; figures of different protocols are not comparable.

    Attributes:
        model: the name of the model, with the fingerprint of its weights.
        draws: importance draws K per picture.
        seed: the seed of the dequantisation noise.
        resize: pictures of other sizes are cropped to their middle square and scaled down by area; otherwise they are
            errors.
    """

    model: str
    draws: int = 1
    seed: int = 0
    resize: bool = False


class Entry(NamedTuple):
    """A picture to measure: its file, its name in the table, and its class or "" for none."""

    path: Path
    name: str
    label: str


class _Read(NamedTuple):
    """A picture that has been read, (C, H, W) in [−1, 1]."""

    name: str
    label: str
    pixels: Tensor


@dataclass(frozen=True)
class Measurement:
    """Bits per dimension of one picture, given its class or "" for none."""

    image: str
    label: str
    bits_per_dim: float


def pictures_in(folder: Path) -> list[Path]:
    """All picture files in a folder and its subfolders, sorted by name.

    Raises:
        ValueError: there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise ValueError(f"There is no picture in {folder}; {', '.join(SUFFIXES)} are looked for.")
    return files


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error; the latter NaN for a single value."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, math.nan
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def fingerprint(module: torch.nn.Module) -> str:
    """Eight hexadecimal digits that identify the weights, from the first numbers of each tensor."""
    digest = hashlib.blake2b(digest_size=4)
    for name, tensor in module.state_dict().items():
        start = tensor.flatten()[:64].float().cpu().contiguous()
        digest.update(name.encode() + start.numpy().tobytes())
    return digest.hexdigest()


def measure(
    pipeline: Pipeline,
    entries: Sequence[Entry],
    protocol: Protocol,
    failed: Callable[[str], None],
) -> Iterator[Measurement]:
    """Yield the bits per dimension of pictures, in order; meanwhile, threads read the next pictures.

    Args:
        pipeline: a pipeline with a flow of pictures.
        entries: what to measure.
        protocol: how to measure.
        failed: called with each picture that is left out, because it cannot be read, has another size, or overflows.

    Raises:
        ValueError: the model is a flow of latents, or has no such class.
    """
    check_has_pixels(pipeline.flow)
    labels = {entry.label for entry in entries}
    if labels - {""} and not pipeline.is_conditional:
        raise ValueError(f"The model {pipeline.name!r} knows no classes; measure without them.")
    pipeline.condition(sorted(labels))  # raise on an unknown class before the work
    tokens = pipeline.flow.config.trained_side**2
    size = max(1, TOKENS_AT_ONCE // (tokens * protocol.draws))
    batches = [entries[i : i + size] for i in range(0, len(entries), size)]

    def read(entry: Entry) -> _Read | str:
        return _read(entry, pipeline, protocol.resize)

    for pictures in read_ahead(read, batches):
        for message in (picture for picture in pictures if isinstance(picture, str)):
            failed(message)
        for measurement in _measured(pipeline, [p for p in pictures if not isinstance(p, str)], protocol):
            if math.isfinite(measurement.bits_per_dim):
                yield measurement
            else:
                failed(f"{measurement.image}: its likelihood overflows; it is too unlike what the model knows.")


def _read(entry: Entry, pipeline: Pipeline, resize: bool) -> _Read | str:
    """A picture, or an error message."""
    (path, name, label), side = entry, pipeline.trained_side
    try:
        image = as_rgb(open_image(path))
    except ValueError as error:
        return str(error)
    if resize:
        image = middle_square(image, side, Image.Resampling.BOX)  # BOX is the mean over a pixel's area
    if image.size != (side, side):
        return (
            f"{path} is {image.width}×{image.height}; this model measures {side}×{side}. Measure with --resize "
            "(Protocol(resize=True) in Python), which takes the middle square and scales it."
        )
    return _Read(name, label, to_tensor(image, pipeline.channels))


def _measured(pipeline: Pipeline, pictures: Sequence[_Read], protocol: Protocol) -> list[Measurement]:
    if not pictures:
        return []
    bits = discrete_bits_per_dim(
        pipeline.flow,
        torch.stack([picture.pixels for picture in pictures]),
        pipeline.condition([picture.label for picture in pictures]),
        [(protocol.seed + _content_seed(picture.pixels)) % SEEDS for picture in pictures],
        draws=protocol.draws,
    )
    pairs = zip(pictures, bits.tolist(), strict=True)
    return [Measurement(picture.name, picture.label, value) for picture, value in pairs]


def _content_seed(picture: Tensor) -> int:
    """A seed from a picture's pixels: its noise depends neither on its name nor on other pictures."""
    return int.from_bytes(hashlib.blake2b(picture.numpy().tobytes(), digest_size=4).digest(), "little")


class Table:
    """A CSV file of measurements. A line has one measurement and the protocol; a half-written last line is dropped.

    Args:
        path: the path of the file; an existing file is continued. If None, nothing is written.
        protocol: the protocol of all measurements.

    Raises:
        ValueError: the file is not such a table, or was measured by another protocol.
    """

    COLUMNS = (*(field.name for field in fields(Measurement)), *(field.name for field in fields(Protocol)))

    def __init__(self, path: Path | None, protocol: Protocol) -> None:
        self._path, self._protocol = path, {name: str(value) for name, value in asdict(protocol).items()}
        self.measurements = [] if path is None or not path.exists() else self._read(path)

    def append(self, measurements: Sequence[Measurement]) -> None:
        """Add lines, and write them to the disk."""
        self.measurements += measurements
        if self._path is None:
            return
        is_new = not self._path.exists()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.COLUMNS, lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerows(asdict(measurement) | self._protocol for measurement in measurements)

    def _read(self, path: Path) -> list[Measurement]:
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        rows = list(csv.DictReader(whole.splitlines()))
        if whole and tuple(csv.DictReader(whole.splitlines()).fieldnames or ()) != self.COLUMNS:
            raise ValueError(f"{path} is no table of bits per dimension; choose another file.")
        for row in rows:
            if other := {name: row[name] for name, value in self._protocol.items() if row[name] != value}:
                said = ", ".join(f"{name} {value}" for name, value in other.items())
                raise ValueError(f"{path} was measured with {said}; choose another file, or remove it.")
        if whole != text:
            path.write_text(whole, encoding="utf-8")
        if not whole:
            path.unlink()
        return [Measurement(row["image"], row["label"], float(row["bits_per_dim"])) for row in rows]
