"""What the likelihoods are good for, in figures: `python -m benchmarks.insight`.

All pictures are held out: the model was not trained on them, save those of the calibration that are called training
pictures. The figures of prompt matching and of confidence, and the means over all kinds of odd pictures, come with 95 %
confidence intervals.

`--write` also puts what is printed onto the pages of the docs that show this model, between the marks there. After a
training, `python -m benchmarks.insight --model starflow-mini-128 --write` makes all figures of the model anew.

The command needs the pictures of the training, which `python -m recipes.pictures.prepare` makes, and scikit-image,
scikit-learn and matplotlib. The figures of the best of several pictures need the judge, which `python -m recipes.judge`
trains; textiles.py says where those come from.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from recipes import data, judge
from recipes.config import DEFAULT, Config, load_config
from recipes.data import Data
from recipes.evaluate import Evaluation
from recipes.figures import marks, write
from recipes.pictures.fetch import fetch
from recipes.pictures.table import packages
from recipes.reference import seen_and_unseen
from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import DEFAULT_MODEL, load

from . import anomaly, best, calibration, confidence, match, textiles
from .pictures import odd

# Pictures: for the confidence, and for the calibration of each kind, the training and held-out ones and the odd ones.
CONFIDENCE, CALIBRATION, ODD = 100, 100, 25
QUICK = 240, 40  # normal pictures, and odd ones of each kind, of a quick look
AVATAR = "avatar"  # the group of such pictures


@dataclass(frozen=True)
class Given:
    """What is measured, and with what."""

    config: Config
    pipeline: Pipeline
    pictures: Data
    is_quick: bool = False

    @property
    def unseen(self) -> np.ndarray:
        """Places of held-out pictures of trained names, in a random order that is always the same."""
        return self.pictures.shuffled_unseen

    @property
    def seen_and_others(self) -> tuple[np.ndarray, np.ndarray]:
        """Places of pictures that the model was trained on, and of others, as `unseen`."""
        seen, others = seen_and_unseen(self.pipeline, self.pictures)
        return np.random.default_rng(0).permutation(seen), np.random.default_rng(0).permutation(others)

    @property
    def normal(self) -> np.ndarray:
        """Held-out pictures (n, S, S, 3) uint8 that are no avatars."""
        places = [place for place in self.unseen if self.pictures.pictures.rows[place].group != AVATAR]
        return self.pictures.images(np.array(places))

    def avatars(self, number: int) -> np.ndarray:
        """Avatars (number, S, S, 3) uint8, of those that are trained on; none is held out."""
        rows = self.pictures.pictures.rows
        places = [place for place in self.pictures.trained if rows[place].group == AVATAR]
        return self.pictures.images(np.random.default_rng(0).permutation(places)[:number])

    @property
    def packages(self) -> dict[str, Path]:
        """The folders of the packages that contain flags."""
        return {"iconify": fetch(packages()["iconify"], self.config.folder / "packages")}


def _match(given: Given) -> None:
    match.report(given.pipeline, given.pictures, given.unseen)


def _best(given: Given) -> None:
    best.report(Evaluation(given.pipeline, given.pictures, judge.load(given.config), {}))


def _anomaly(given: Given) -> None:
    broader = load(anomaly.broader_than(given.pipeline.name), dtype=torch.float32)
    normal, count = (given.normal[: QUICK[0]], QUICK[1]) if given.is_quick else (given.normal, anomaly.ODD)
    odd_ones = odd(normal[len(normal) // 2 :], count, given.packages, given.avatars(count))
    anomaly.report(given.pipeline, broader, normal, odd_ones)


def _textiles(given: Given) -> None:
    textiles.report(given.pipeline)


def _confidence(given: Given) -> None:
    _, others = given.seen_and_others
    confidence.report(given.pipeline, given.pictures.images(others[:CONFIDENCE]))


def _calibration(given: Given) -> None:
    seen, others = given.seen_and_others
    held_out = given.pictures.images(others[:CALIBRATION])
    kinds = {"training": given.pictures.images(seen[:CALIBRATION]), "held-out": held_out}
    calibration.report(given.pipeline, kinds | dict(odd(held_out, ODD, given.packages, given.avatars(ODD))))


REPORTS: dict[str, Callable[[Given], None]] = {
    "match": _match,
    "best": _best,
    "anomaly": _anomaly,
    "textiles": _textiles,
    "confidence": _confidence,
    "calibration": _calibration,
}


DOCS = Path(__file__).parent.parent.parent / "docs"
PAGES = (DOCS / "insight.md", DOCS / "calibration.md")


class _Copied(io.StringIO):
    """Text that also goes to the standard error at once."""

    def write(self, text: str) -> int:
        sys.stderr.write(text)
        sys.stderr.flush()
        return super().write(text)


def written(report: Callable[[], None], name: str, pages: Sequence[Path]) -> bool:
    """Make a report, and put what it prints onto the page that has marks of its name; return whether one has."""
    copied = _Copied()
    with redirect_stdout(copied):
        report()
    for page in pages:
        if marks(name)[0] in page.read_text(encoding="utf-8"):
            write(copied.getvalue().strip(), page, name)
            return True
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description="What the likelihoods are good for, in figures.")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or folder; %(default)s by default")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="of the training, for its pictures")
    parser.add_argument("--only", choices=list(REPORTS), help="some of the figures")
    parser.add_argument("--write", action="store_true", help="put the figures onto the pages of the docs, too")
    parser.add_argument("--quick", action="store_true", help="fewer odd pictures and normal ones, for a first look")
    asked = parser.parse_args()
    config, pipeline = load_config(asked.config), load(asked.model, dtype=torch.float32)
    given = Given(config, pipeline, data.load(config, pipeline.trained_side), asked.quick)
    names = [asked.only] if asked.only else list(REPORTS)
    made = [_is_made(name, given, asked.write) for name in names]
    sys.exit(int(not all(made)))


def _is_made(name: str, given: Given, is_written: bool) -> bool:
    """Make a report; return whether what it needs is here. The others may need less."""
    try:
        _make(name, given, is_written)
    except SystemExit as error:
        print(f"{name}: {error}", file=sys.stderr)
        return False
    return True


def _make(name: str, given: Given, is_written: bool) -> None:
    """Make a report; put it onto the page that shows it, if that is asked for."""
    if not is_written:
        REPORTS[name](given)
    elif not written(partial(REPORTS[name], given), f"{name} of {given.pipeline.name}", PAGES):
        print(f"No page shows {name} of {given.pipeline.name}, so it is written nowhere.")


if __name__ == "__main__":
    main()
