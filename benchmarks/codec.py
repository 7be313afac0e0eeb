"""How small the codec's files are, and how fast it is: `python -m benchmarks.codec`.

Pictures that the flow has not seen: held-out drawings of the embedded models' data at 128×128 and 32×32 pixels (made by
`python -m recipes.pictures.prepare`), and photographs that come with scikit-image. Bits per dimension, that is per
channel of a pixel, of whole files, headers included. `flow` is what the flow says and an ideal coder would need,
`flow only` a file without tiles of WebP.

For the 32×32 pictures there is also what tarflow-mini-8bit says of them. Bits-back coding through its blocks cannot
need less than that.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, features
from tqdm import tqdm

from recipes import data
from recipes.codec import RESERVED
from recipes.config import DEFAULT, load_config
from starflow_core.compression import Codec
from starflow_core.compression.coding import bits, encode

PHOTOGRAPHS = ("astronaut", "cat", "coffee", "immunohistochemistry", "rocket")
JXL = {"format": "JXL", "lossless": True, "effort": 9}
RIVALS = {
    "PNG": {"format": "PNG", "optimize": True},
    "WebP": {"format": "WEBP", "lossless": True, "quality": 100, "method": 6},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", type=Path, default=DEFAULT, help="of the recipes; %(default)s by default")
    parser.add_argument("--pictures", type=int, default=RESERVED, help=f"drawings; {RESERVED} by default, and at most")
    parser.add_argument("--only", choices=("128", "32", "photographs"), help="one kind of pictures")
    options = parser.parse_args()
    kinds: dict[str, Callable[[], list[np.ndarray]]] = {
        "128": lambda: drawings(options.config, 128, options.pictures),
        "32": lambda: drawings(options.config, 32, options.pictures),
        "photographs": photographs,
    }
    rivals = RIVALS | ({"JPEG XL": JXL} if _jpeg_xl() else {})
    codec = Codec()
    print(f"weights {codec.network.fingerprint.hex()}, libwebp {features.version('webp')}\n")
    columns = ["pictures", *rivals, "flow", "flow only", ".sfl", "pixels/s in", "pixels/s out"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for name in [options.only] if options.only else kinds:
        pictures = kinds[name]()
        print(f"| {name}, {len(pictures)} | {' | '.join(row(codec, pictures, rivals))} |", flush=True)
        if name == "32":
            print(f"\ntarflow-mini-8bit on these: {tarflow_bits(pictures):.3f} bits/dim\n", flush=True)


def drawings(config: Path, side: int, count: int) -> list[np.ndarray]:
    """Held-out pictures (side, side, 3) of trained names, which no training and no log used."""
    source = data.load(load_config(config), side)
    return list(source.images(source.shuffled_unseen[: min(count, RESERVED)]))


def photographs() -> list[np.ndarray]:
    """Photographs (H, W, 3) of scikit-image that need no download."""
    from skimage import data as pictures

    return [np.ascontiguousarray(getattr(pictures, name)()[..., :3]) for name in PHOTOGRAPHS]


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


if __name__ == "__main__":
    main()
