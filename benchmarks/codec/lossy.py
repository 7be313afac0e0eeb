"""Bytes and error of the codec with loss, beside WebP and JPEG of equal size."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import mean

import numpy as np
from PIL import Image
from tqdm import tqdm

from starflow_core.compression.lossy import ITERATIONS, LossyCodec
from starflow_core.weights.model_folder import load

MODEL = "starflow-mini-128"
SIDE = 128  # pixels: of photographs, the middle of this size
SETTINGS = ((0, ITERATIONS), (25, ITERATIONS), (50, ITERATIONS), (75, ITERATIONS), (50, 0))  # quality, iterations
RIVALS = {"WebP": {"format": "WEBP", "method": 6}, "JPEG": {"format": "JPEG", "optimize": True}}


def report(kinds: Mapping[str, Callable[[], list[np.ndarray]]]) -> None:
    """Print a row for each kind of pictures (H, W, 3) and each setting."""
    codec = LossyCodec(load(MODEL, device="cpu"))
    columns = ["pictures", "quality", "iterations", ".sfl", "", *(part for name in RIVALS for part in (name, ""))]
    print(f"{MODEL}, weights {codec.fingerprint.hex()}; mean bytes of a file, and PSNR in dB with its 95 % interval\n")
    print(f"| {' | '.join([*columns, 'seconds in', 'seconds out'])} |\n|{' --- |' * (len(columns) + 2)}")
    for name, made in kinds.items():
        pictures = [Image.fromarray(_middle(picture)) for picture in made()]
        for quality, iterations in SETTINGS:
            cells = row(codec, pictures, quality, iterations)
            print(f"| {name}, {len(pictures)} | {quality} | {iterations} | {' | '.join(cells)} |", flush=True)


def row(codec: LossyCodec, pictures: list[Image.Image], quality: float, iterations: int) -> Iterator[str]:
    """The cells of a table's row: bytes and PSNR of each format, then the codec's seconds a picture."""
    start = time.perf_counter()
    files = [codec.compress(picture, quality=quality, iterations=iterations) for picture in tqdm(pictures, leave=False)]
    middle = time.perf_counter()
    backs = [codec.decompress(file) for file in files]
    end = time.perf_counter()
    yield from _cells(map(len, files), map(psnr, pictures, backs))
    for how in RIVALS.values():
        found = [of_size(picture, len(file), how) for picture, file in zip(pictures, files, strict=True)]
        yield from _cells((one.size for one in found), (one.psnr for one in found))
    yield f"{(middle - start) / len(pictures):.1f}"
    yield f"{(end - middle) / len(pictures):.2f}"


@dataclass(frozen=True)
class Saved:
    """A picture as a file of a format, and its PSNR in dB."""

    data: bytes
    psnr: float

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.data)


def of_size(picture: Image.Image, size: int, how: dict) -> Saved:
    """The best quality whose file is no larger than a size; the smallest file if all are larger."""
    files = [_saved(picture, quality, how) for quality in range(101)]
    small = [file for file in files if file.size <= size]
    return max(small, key=lambda file: file.psnr) if small else min(files, key=lambda file: file.size)


def reopened(data: bytes) -> Image.Image:
    """The picture of a file."""
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB")


def psnr(first: Image.Image, second: Image.Image) -> float:
    """Peak signal-to-noise ratio in dB; 60 for equal pictures and nearly equal ones."""
    error = float(np.square(np.asarray(first, float) - np.asarray(second, float)).mean())
    return float(10 * np.log10(255**2 / max(error, 0.065)))


def _saved(picture: Image.Image, quality: int, how: dict) -> Saved:
    file = io.BytesIO()
    picture.save(file, quality=quality, **how)
    return Saved(file.getvalue(), psnr(picture, reopened(file.getvalue())))


def _cells(sizes: Iterator[int], qualities: Iterator[float]) -> Iterator[str]:
    yield f"{mean(sizes):.0f}"
    values = np.fromiter(qualities, float)
    yield f"{values.mean():.1f} ± {1.96 * values.std(ddof=1) / len(values) ** 0.5:.1f}"


def _middle(picture: np.ndarray) -> np.ndarray:
    top, left = ((length - SIDE) // 2 for length in picture.shape[:2])
    return picture[top : top + SIDE, left : left + SIDE]
