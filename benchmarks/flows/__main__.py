"""Flows of the literature and ours, on the same pictures for the same time: `python -m benchmarks.flows`.

Each flow is about as large as the others, and learns the same 32×32 drawings from nothing, for the same time of one
processor core, which includes a short search of its learning rate on pictures of their own. The table shows bits per
dimension of held-out drawings, which neither the training nor the search has seen, with 95 % confidence intervals.
`--minutes` is that time; other processes on the machine do not count.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from recipes import data
from recipes.codec import RESERVED
from recipes.config import DEFAULT, load_config

from .contender import SIDE, Contender, parameters
from .denseflow import DenseFlow
from .glow import Glow
from .macow import MaCow
from .ours import OneBlock, SmallTarFlow
from .training import measured, trained

FLOWS: dict[str, Callable[[], Contender]] = {
    "glow": Glow,
    "macow": MaCow,
    "denseflow": DenseFlow,
    "tarflow": SmallTarFlow,
    "one-block": OneBlock,
}
WATCHED = 200  # held-out pictures that choose the learning rate; the figures are of others


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", type=Path, default=DEFAULT, help="of the recipes; %(default)s by default")
    parser.add_argument("--minutes", type=float, default=10, help="of a core, for each flow; %(default)s by default")
    parser.add_argument("--only", choices=FLOWS, help="one of the flows")
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = data.load(load_config(options.config), SIDE)
    order = source.shuffled_unseen
    figures, watched = source.images(order[:RESERVED]), source.images(order[RESERVED : RESERVED + WATCHED])
    learnt = source.images(source.trained)
    print(f"{len(learnt)} pictures learnt, {len(figures)} measured; {options.minutes:g} minutes of a core each\n")
    print("| flow | weights | rate | pictures seen | bits/dim |\n| --- | --- | --- | --- | --- |")
    for name in [options.only] if options.only else FLOWS:
        found = trained(FLOWS[name], learnt, watched, 60 * options.minutes)
        bits = measured(found.model, figures)
        error = 1.96 * bits.std(ddof=1) / np.sqrt(len(bits))
        print(
            f"| {name} | {parameters(found.model) / 1e6:.2f} M | {found.rate:g} | {found.pictures:,} | "
            f"{bits.mean():.3f} ± {error:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
