"""How small the codecs' files are, and how fast they are: `python -m benchmarks.codec`.

Pictures that the flows have not seen: held-out drawings of the embedded models' data at 128×128 and 32×32 (made by
`python -m recipes.pictures.prepare`), and photographs that come with scikit-image. Bits per dimension, that is per
channel of a pixel, of whole files, headers included. `flow` is what the flow says and an ideal coder would need,
`flow only` a file without tiles of WebP.

For the 32×32 pictures there is also what tarflow-mini-8bit says of them. Bits-back coding through its blocks cannot
need less than that.

`--only lossy` compares the codec with loss with WebP and JPEG at equal sizes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from recipes.codec import RESERVED
from recipes.config import DEFAULT

from . import lossless, lossy
from .pictures import drawings, photographs


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", type=Path, default=DEFAULT, help="of the recipes; %(default)s by default")
    parser.add_argument("--pictures", type=int, default=RESERVED, help=f"drawings; {RESERVED} by default, and at most")
    parser.add_argument(
        "--only", choices=("128", "32", "photographs", "lossy"), help="one kind of pictures, or with loss"
    )
    options = parser.parse_args()
    kinds: dict[str, Callable[[], list[np.ndarray]]] = {
        "128": lambda: drawings(options.config, 128, options.pictures),
        "32": lambda: drawings(options.config, 32, options.pictures),
        "photographs": photographs,
    }
    if options.only != "lossy":
        lossless.report({options.only: kinds[options.only]} if options.only else kinds)
    if options.only in ("lossy", None):
        lossy.report({name: kinds[name] for name in ("128", "photographs")})


if __name__ == "__main__":
    main()
