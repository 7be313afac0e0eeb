"""How small the files of the lossless codec are, and how fast it is."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from PIL import Image, features
from tqdm import tqdm

from starflow_core.compression import Codec
from starflow_core.compression.coding import bits, encode

JXL = {"format": "JXL", "lossless": True, "effort": 9}
RIVALS = {
    "PNG": {"format": "PNG", "optimize": True},
    "WebP": {"format": "WEBP", "lossless": True, "quality": 100, "method": 6},
}


def report(kinds: Mapping[str, Callable[[], list[np.ndarray]]]) -> None:
    """Print a row for each kind of pictures (H, W, 3)."""
    rivals = RIVALS | ({"JPEG XL": JXL} if _jpeg_xl() else {})
    codec = Codec()
    print(f"weights {codec.network.fingerprint.hex()}, libwebp {features.version('webp')}\n")
    columns = ["pictures", *rivals, "flow", "flow only", ".sfl", "pixels/s in", "pixels/s out"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for name, made in kinds.items():
        pictures = made()
        print(f"| {name}, {len(pictures)} | {' | '.join(row(codec, pictures, rivals))} |", flush=True)
        if name == "32":
            print(f"\ntarflow-mini-8bit on these: {tarflow_bits(pictures):.3f} bits/dim\n", flush=True)


def row(codec: Codec, pictures: list[np.ndarray], rivals: dict[str, dict]) -> Iterator[str]:
    """The cells of a table's row: mean bits per dimension by format, then speeds of the codec.

    Raises:
        ValueError: a picture does not come back.
    """
    dimensions = sum(picture.size for picture in pictures)
    pixels = dimensions / 3
    for how in rivals.values():
        yield f"{8 * sum(_size(picture, how) for picture in pictures) / dimensions:.3f}"
    network = codec.network
    yield f"{sum(bits(picture, network, False) for picture in tqdm(pictures, leave=False)) / dimensions:.3f}"
    yield f"{8 * sum(len(encode(picture, network, False)) for picture in tqdm(pictures, leave=False)) / dimensions:.3f}"
    start = time.perf_counter()
    files = [codec.compress(Image.fromarray(picture)) for picture in tqdm(pictures, leave=False)]
    middle = time.perf_counter()
    for picture, file in zip(pictures, files, strict=True):
        if not np.array_equal(np.asarray(codec.decompress(file)), picture):
            raise ValueError("A picture does not come back.")
    yield f"{8 * sum(map(len, files)) / dimensions:.3f}"
    yield f"{pixels / (middle - start):,.0f}"
    yield f"{pixels / (time.perf_counter() - middle):,.0f}"


def tarflow_bits(pictures: list[np.ndarray]) -> float:
    """Mean bits per dimension of 32×32 pictures under tarflow-mini-8bit, of one importance draw."""
    from recipes.evaluate_tarflow import LIKELIHOOD
    from starflow_core.weights.model_folder import load

    pipeline = load(LIKELIHOOD, device="cpu")
    return float(np.mean([pipeline.score(Image.fromarray(picture), draws=1).bits_per_dim for picture in pictures]))


def _size(picture: np.ndarray, how: dict) -> int:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, **how)
    return file.tell()


def _jpeg_xl() -> bool:
    try:
        import pillow_jxl  # noqa: F401 - it registers the format
    except ImportError:
        print("JPEG XL is left out: pip install pillow-jxl-plugin")
        return False
    return True
