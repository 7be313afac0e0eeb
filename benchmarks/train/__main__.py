"""A model of one's own pictures, put to work: `python -m benchmarks.train`.

It trains a TarFlow on normal pictures alone, at their own resolution, and inspects others tile by tile, beside
inspectors without a flow. The models stay in the folder; a second run measures with them, and goes on where a training
was stopped. `--only style` trains a LoRA of a style, and `--only memory` measures what a LoRA of a large model takes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from recipes.config import DEFAULT, load_config
from starflow_core.insight.anomaly import Anomaly
from starflow_core.insight.inspection import PARTS
from starflow_core.insight.oddity import Oddity
from starflow_core.pipeline import Pipeline
from starflow_core.training import train
from starflow_core.weights.model_folder import load

from ..insight.anomaly import interval
from ..insight.methods import auroc
from . import memory, style
from .rivals import RIVALS
from .sets import Set, cloth, textiles
from .weaves import BENT

LEARNT = {"textiles": 24_000, "cloth": 24_000, "bent-cloth": 40_000}  # pictures that the model sees of each set
HOW = {"crop": True, "network": "tiny", "learning_rate": 2e-3}
STYLE, MEMORY = "style", "memory"
FITTED = 200  # of the normal pictures, that the scorer and its rivals are fitted on


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=(*LEARNT, STYLE, MEMORY), help="one of the sets, a style, or the memory")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="of pictures and models")
    parser.add_argument("--tested", type=int, default=200, help="normal pictures, and pictures of each kind of defect")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="of the recipes, whose pictures hold the style")
    parser.add_argument("--gigabytes", type=float, default=24, help="of memory that may be filled; 24 by default")
    options = parser.parse_args()
    if options.only == MEMORY:
        memory.report(options.gigabytes)
        return
    if options.only == STYLE:
        style.report(load_config(options.config), options.folder / STYLE)
        return
    for name in [options.only] if options.only else LEARNT:
        folder = options.folder / name
        stray = BENT if name == "bent-cloth" else 0.0
        pictures = textiles(folder) if name == "textiles" else cloth(folder, options.tested, stray)
        report(name, pictures, folder, options.tested)


def report(name: str, pictures: Set, folder: Path, tested: int) -> None:
    """Train, inspect, and print the area under the ROC curve of each method on each kind of defect."""
    pipeline = trained(pictures, folder / "model", LEARNT[name])
    fitted = sorted(pictures.good.iterdir())[:FITTED]
    start = time.perf_counter()
    scorer = Anomaly.fit(pipeline, fitted, draws=1)
    print(f"Fitted on {FITTED} pictures in {time.perf_counter() - start:.0f} s.")
    scorer.save(folder / "scorer.safetensors")
    usual, odd = pictures.usual[:tested], {kind: of[:tested] for kind, of in pictures.odd.items()}
    print(f"\nAUROC on {name}; {len(usual)} normal pictures, {tested} of each kind of defect\n")
    print(f"| method | {' | '.join(odd)} |\n| --- {'| --- ' * len(odd)}|")
    found = {kind: _found(scorer, of) for kind, of in {"usual": usual, **odd}.items()}
    _row("**one score**", {kind: torch.tensor([one.score for one in of]) for kind, of in found.items()})
    for part in PARTS:
        _row(f"its part: {part}", {kind: torch.tensor([one.parts[part] for one in of]) for kind, of in found.items()})
    for rival, fit in RIVALS.items():
        score = fit(fitted, pipeline.trained_side)
        every = {"usual": usual, **odd}
        _row(f"rival: {rival}", {kind: torch.tensor([score(path) for path in of]) for kind, of in every.items()})
    called = ", ".join(f"{sum(one.is_odd for one in of) / len(of):.1%} ({kind})" for kind, of in found.items())
    print(f"\nCalled odd, at a false-positive rate of {scorer.settings.false_positive_rate:.0%}: {called}.")


def trained(pictures: Set, folder: Path, seen: int) -> Pipeline:
    """The model in a folder, trained first if it is not there yet."""
    if (folder / "model.safetensors").exists():
        return load(folder, device="cpu")
    start = time.process_time()
    pipeline = train(pictures.good, folder, device="cpu", pictures=seen, **HOW)  # type: ignore[arg-type]
    print(f"Trained in {(time.process_time() - start) / 60:.1f} minutes of a processor.")
    return pipeline


def _found(scorer: Anomaly, paths: list[Path]) -> list[Oddity]:
    return [scorer.score(path) for path in tqdm(paths, disable=None, leave=False)]


def _row(name: str, scores: dict[str, Tensor]) -> None:
    usual, cells = scores.pop("usual"), []
    for found in scores.values():
        low, high = interval(usual, [found])
        cells.append(f"{auroc(usual, found):.3f} [{low:.3f}, {high:.3f}]")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
