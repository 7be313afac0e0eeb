"""One score for a picture that is looked at tile by tile: of its oddest place, its oddest tile, and the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .gaussian import Gaussian
from .looking import CONTENT, Seen
from .oddity import MOST

FOLDS = 5
GAUSSIAN = {"mean": 1, "scale": 1, "whitening": 2}  # its tensors, by their numbers of axes
PARTS = ("oddest place", "oddest tile", "whole")


@dataclass(frozen=True)
class Inspection:
    """What normal pictures are like, and how their parts are spread.

    A defect may be one place that is odd, an arrangement of places, or a slight change everywhere. Each part of the
    score sees one of these. In units of their spread over normal pictures they compare, and the largest is the score.

    Attributes:
        tile: the Gaussian of the statistics of tiles.
        whole: the Gaussian of a picture's mean over tiles: of these statistics, and of the nats.
        places: (2, 2, h, w): of squares and of nats, the mean and standard deviation of each place over normal tiles.
        spread: (2, 3): mean and standard deviation of each part over normal pictures, each measured by a fit on others.
    """

    tile: Gaussian
    whole: Gaussian
    places: Tensor
    spread: Tensor

    @classmethod
    def fit(cls, seen: Sequence[Seen]) -> Inspection:
        """Fit to normal pictures; the spread is yet unknown, and is 0 and 1."""
        maps = torch.stack([torch.cat([one.squares for one in seen]), torch.cat([-one.log_probs for one in seen])])
        places = torch.stack([maps.mean(1), maps.std(1).clamp(min=1e-6)], 1)
        tile = Gaussian.fit(torch.cat([one.vectors[CONTENT] for one in seen]))
        whole = Gaussian.fit(torch.stack([_of_whole(one) for one in seen]))
        return cls(tile, whole, places, torch.tensor([[0.0], [1.0]], dtype=torch.float64).expand(2, len(PARTS)).clone())

    @classmethod
    def calibrated(cls, seen: Sequence[Seen], unseen: Sequence[Seen] | None) -> tuple[Inspection, Tensor]:
        """Fit to normal pictures; return also the scores (n,) of normal pictures that the fit has not seen.

        Args:
            seen: to fit to.
            unseen: others; None for each of `seen`, by a fit on others.
        """
        fitted = cls.fit(seen)
        if unseen is None:
            parts = torch.cat([_left_out(seen, fold) for fold in range(FOLDS)])
        else:
            parts = torch.stack([fitted.measured(one) for one in unseen])
        fitted = fitted.with_spread(parts)
        return fitted, fitted.standard(parts).amax(1)

    def parts(self, seen: Seen) -> dict[str, float]:
        """The parts of a picture by name, in standard deviations above the mean of normal pictures."""
        return dict(zip(PARTS, self.standard(self.measured(seen)).tolist(), strict=True))

    def measured(self, seen: Seen) -> Tensor:
        """The parts of a picture, (3,), in no units that compare: as `PARTS` names them."""
        tile, whole = self.tile.distance(seen.vectors[CONTENT]).max(), self.whole.distance(_of_whole(seen))
        parts = torch.stack([self.oddness(seen).max().double(), tile, whole])
        return parts.nan_to_num(MOST, MOST).clamp(max=MOST)

    def with_spread(self, parts: Tensor) -> Inspection:
        """The same, with the spread of the parts (n, 3) of normal pictures."""
        spread = torch.stack([parts.mean(0), parts.std(0).clamp(min=1e-6)])
        return Inspection(self.tile, self.whole, self.places, spread)

    def standard(self, parts: Tensor) -> Tensor:
        """Parts (…, 3) in standard deviations above the mean of normal pictures."""
        return ((parts - self.spread[0]) / self.spread[1]).clamp(max=MOST)

    def oddness(self, seen: Seen) -> Tensor:
        """By how many standard deviations each place of each tile is odder than in normal pictures, (N, h, w).

        It is the larger one of its noise's mean square and its nats.
        """
        return torch.maximum(self.above(seen.squares, 0), self.above(-seen.log_probs, 1))

    def above(self, maps: Tensor, kind: int) -> Tensor:
        """Maps (N, h, w) of squares, kind 0, or of nats, kind 1, in standard deviations above normal ones."""
        mean, std = self.places[kind]
        return ((maps - mean) / std).nan_to_num(MOST, MOST).clamp(max=MOST)

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds of it."""
        gaussians = {"tile": self.tile, "whole": self.whole}
        held = {f"{name}.{part}": getattr(of, part) for name, of in gaussians.items() for part in GAUSSIAN}
        return held | {"maps": self.places, "spread": self.spread}

    @classmethod
    def of_tensors(cls, held: Mapping[str, Tensor]) -> Inspection:
        """The same from a file's tensors, whose `shapes` fit."""
        tile, whole = (Gaussian(*(held[f"{name}.{part}"] for part in GAUSSIAN)) for name in ("tile", "whole"))
        return cls(tile, whole, held["maps"], held["spread"])

    @staticmethod
    def shapes(F: int, side: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the tensors, for F statistics a tile and `side` places a side."""
        widths = {"tile": F, "whole": F + 1}
        gaussians = {f"{name}.{part}": (n,) * order for name, n in widths.items() for part, order in GAUSSIAN.items()}
        return gaussians | {"maps": (2, 2, side, side), "spread": (2, len(PARTS))}


def _of_whole(seen: Seen) -> Tensor:
    """What a picture is like as a whole, (F + 1,)."""
    return torch.cat([seen.vectors[CONTENT].mean(0), (-seen.log_probs).mean().reshape(1)])


def _left_out(seen: Sequence[Seen], fold: int) -> Tensor:
    """The parts (n, 3) of the pictures of a fold, by a fit on all other pictures."""
    normal = Inspection.fit([one for place, one in enumerate(seen) if place % FOLDS != fold])
    return torch.stack([normal.measured(one) for one in seen[fold::FOLDS]])
