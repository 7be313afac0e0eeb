"""Saves docs/codec_lossy.png: held-out drawings, and what is left of them in files of equal size.

The drawings are the first of the benchmark's, `python -m benchmarks.codec --only lossy`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from benchmarks.codec.lossy import MODEL, RIVALS, of_size, reopened
from benchmarks.codec.pictures import drawings
from recipes.config import DEFAULT
from starflow_core.compression.lossy import LossyCodec
from starflow_core.weights.model_folder import load

SAVED = Path(__file__).parent.parent / "docs" / "codec_lossy.png"
PICTURES, SIDE, GAP = 6, 128, 4
QUALITY = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", type=Path, default=DEFAULT, help="of the recipes; %(default)s by default")
    options = parser.parse_args()
    codec = LossyCodec(load(MODEL, device="cpu"))
    sheet = Image.new("RGB", (PICTURES * (SIDE + GAP) - GAP, 4 * (SIDE + GAP) - GAP), "gray")
    for column, pixels in enumerate(drawings(options.config, SIDE, PICTURES)):
        picture = Image.fromarray(pixels)
        file = codec.compress(picture, quality=QUALITY)
        rivals = [of_size(picture, len(file), how) for how in RIVALS.values()]
        print(f"{len(file)} bytes; {', '.join(f'{name} {one.size}' for name, one in zip(RIVALS, rivals, strict=True))}")
        shown = [picture, codec.decompress(file), *(reopened(one.data) for one in rivals)]
        for row, one in enumerate(shown):
            sheet.paste(one, (column * (SIDE + GAP), row * (SIDE + GAP)))
    sheet.save(SAVED, optimize=True)


if __name__ == "__main__":
    main()
