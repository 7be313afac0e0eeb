"""How well defects of textiles are found, by a flow that has never seen a textile.

The pictures are those of the package conformal-clip-data (MIT): simulated weaves of 250×250 pixels, which are normal,
or have a small spot, or are of another weave as a whole. `pip install --no-deps conformal-clip-data` brings them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from starflow_core.insight.anomaly import Anomaly
from starflow_core.insight.gaussian import Gaussian
from starflow_core.insight.picture_statistics import colours_and_edges, pixels_of
from starflow_core.insight.tiles import Tiles
from starflow_core.pipeline import Pipeline

from .anomaly import interval
from .methods import auroc, lossless_bits

FITTED, TESTED = 300, 200  # normal pictures to fit on; pictures of each kind to score
DRAWS = 1
DEFECTS = {"a small spot": "local", "another weave": "global"}


def report(pipeline: Pipeline) -> None:
    """Print the area under the ROC curve of the scorer, and of rivals without a flow, on each kind of defect."""
    normal = _pictures("nominal")
    fitted, usual = normal[:FITTED], normal[FITTED : FITTED + TESTED]
    odd = {name: _pictures(kind)[:TESTED] for name, kind in DEFECTS.items()}
    print(f"\nAUROC on textiles; {FITTED} normal ones to fit on, {TESTED} others, {TESTED} of each kind of defect\n")
    print(f"| method | {' | '.join(odd)} |\n| --- {'| --- ' * len(odd)}|")
    scorer = Anomaly.fit(pipeline, fitted, draws=DRAWS)
    _row(
        f"five kinds of evidence, {pipeline.name}",
        _scores(scorer, usual),
        {k: _scores(scorer, v) for k, v in odd.items()},
    )
    side = pipeline.trained_side
    simple = Gaussian.fit(torch.cat([_simple(path, side) for path in fitted]))

    def distances(paths: Sequence[Path]) -> Tensor:
        return torch.stack([simple.distance(_simple(path, side)).max() for path in paths])

    _row("rival: colours and edges, by tile", distances(usual), {name: distances(of) for name, of in odd.items()})
    _row("rival: WebP's bits", _bits(usual), {name: _bits(of) for name, of in odd.items()})


def _pictures(kind: str) -> list[Path]:
    """The files of a kind, in a random order that is always the same.

    Raises:
        SystemExit: the package is missing.
    """
    try:
        folder = Path(str(files("conformal_clip_data"))) / "data" / "textile_images" / "simulated" / kind
    except ModuleNotFoundError:
        raise SystemExit("The textiles are missing; `pip install --no-deps conformal-clip-data` brings them.") from None
    found = sorted(folder.glob("*.jpg"))
    random.Random(0).shuffle(found)
    return found


def _scores(scorer: Anomaly, paths: Sequence[Path]) -> Tensor:
    return torch.tensor([scorer.score(path).score for path in tqdm(paths, disable=None, leave=False)])


def _simple(path: Path, side: int) -> Tensor:
    """Statistics of colours and edges of each tile, as large as those that the flow sees."""
    with Image.open(path) as image:
        tiles = Tiles.of(image.convert("RGB"), side, scaled=False)
    return colours_and_edges(pixels_of(list(tiles)))


def _bits(paths: Sequence[Path]) -> Tensor:
    """The bits of each picture's lossless file."""
    found = []
    for path in paths:
        with Image.open(path) as image:
            found.append(lossless_bits(np.asarray(image.convert("RGB"))))
    return torch.tensor(found, dtype=torch.float64)


def _row(name: str, usual: Tensor, odd: dict[str, Tensor]) -> None:
    cells = []
    for found in odd.values():
        low, high = interval(usual, [found])
        cells.append(f"{auroc(usual, found):.3f} [{low:.3f}, {high:.3f}]")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)
