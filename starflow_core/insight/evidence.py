"""Several kinds of evidence that a picture is odd, weighed on normal pictures alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .gaussian import Gaussian
from .oddity import MOST, bounded

FOLDS = 5
TAIL = 0.2  # share of the normal distances that the tail is fitted to
KEPT = 1024  # normal distances that a scorer keeps


@dataclass(frozen=True)
class Kind:
    """One kind of evidence.

    Attributes:
        normal: the Gaussian fitted to the vectors of normal pictures.
        distances: (M,), ascending: distances of normal pictures from fits on others.
    """

    normal: Gaussian
    distances: Tensor

    def surprise(self, vectors: Tensor) -> Tensor:
        """−ln p (N,), in nats, of vectors (N, F): p is the share of normal pictures that are at least as far off.

        Beyond most normal pictures, where few are left to count, p falls exponentially with the distance.
        """
        return _surprise(bounded(self.normal.distance(vectors)), self.distances)


class Evidence:
    """What normal pictures are like, by kind of evidence.

    A picture's score is the sum over the kinds of −ln p, as in Fisher's test. The kinds are not independent, so the sum
    follows no law that is known beforehand; it is compared with that of normal pictures.

    Args:
        kinds: by their names.
    """

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self.kinds = dict(kinds)

    @classmethod
    def fit(cls, seen: Mapping[str, Tensor], groups: Tensor) -> tuple[Evidence, Tensor]:
        """Fit to normal pictures; return also the score of each by fits on others, (N,).

        Args:
            seen: vectors (N, F) of the pictures, or of their tiles, by kind of evidence.
            groups: (N,), the picture that each row is of; rows of a picture stay together.
        """
        folds = groups % FOLDS
        kinds: dict[str, Kind] = {}
        scores = torch.zeros(len(groups), dtype=torch.float64)
        for name, vectors in seen.items():
            distances = torch.zeros(len(vectors), dtype=torch.float64)
            for fold in folds.unique():
                out = folds == fold
                distances[out] = bounded(Gaussian.fit(vectors[~out]).distance(vectors[out]))
            for fold in folds.unique():
                out = folds == fold
                scores[out] += _surprise(distances[out], distances[~out].sort().values)
            kinds[name] = Kind(Gaussian.fit(vectors), _thinned(distances.sort().values))
        return cls(kinds), scores

    def scores(self, seen: Mapping[str, Tensor]) -> Tensor:
        """The scores (N,) of pictures, in nats, from their vectors (N, F) by kind of evidence; larger is odder."""
        return torch.stack([kind.surprise(seen[name]) for name, kind in self.kinds.items()]).sum(0)

    def tensors(self) -> dict[str, Tensor]:
        """All numbers, by name."""
        parts = {
            f"{name}.{part}": value for name, kind in self.kinds.items() for part, value in vars(kind.normal).items()
        }
        return parts | {f"{name}.distances": kind.distances for name, kind in self.kinds.items()}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> Evidence:
        """The evidence whose numbers `tensors` returned."""
        names = dict.fromkeys(name.rpartition(".")[0] for name in tensors)
        parts = ("mean", "scale", "whitening")
        return cls(
            {
                name: Kind(Gaussian(*(tensors[f"{name}.{part}"] for part in parts)), tensors[f"{name}.distances"])
                for name in names
            }
        )


def _surprise(distances: Tensor, normal: Tensor) -> Tensor:
    """−ln p of distances (N,) beside ascending normal ones (M,)."""
    M = len(normal)
    as_far = M - torch.searchsorted(normal, distances)
    counted = -torch.log((as_far + 0.5) / (M + 1))
    k = min(M - 1, max(1, int(TAIL * M)))
    start = normal[M - k - 1]
    length = (normal[M - k :] - start).mean().clamp(min=max(1e-6, 0.05 * float(start)))
    tail = -torch.log(torch.tensor((k + 0.5) / (M + 1), dtype=torch.float64)) + (distances - start) / length
    return torch.where(distances > start, tail, counted).where(distances < MOST, MOST)


def _thinned(ascending: Tensor) -> Tensor:
    """At most `KEPT` of them, evenly chosen."""
    if len(ascending) <= KEPT:
        return ascending
    return ascending[torch.linspace(0, len(ascending) - 1, KEPT).round().long()]
