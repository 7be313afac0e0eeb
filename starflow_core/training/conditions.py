"""What a flow is told of the pictures that it learns: their classes, their captions, or nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from ..codecs.classes import NO_CLASS
from ..codecs.text_encoder import TextEncoder


class Nothing:
    """No condition."""

    def of(self, indices: Sequence[int], rng: random.Random | None = None) -> Tensor | None:
        """The condition of some pictures; with `rng`, a share of it is dropped at random, for guidance."""
        return None


class Labels(Nothing):
    """Classes.

    Args:
        labels: of each picture; −1 for none.
        dropped: share that is dropped.
    """

    def __init__(self, labels: Sequence[int], dropped: float) -> None:
        self._labels, self._dropped = labels, dropped

    def of(self, indices: Sequence[int], rng: random.Random | None = None) -> Tensor:
        kept = [rng is None or rng.random() >= self._dropped for _ in indices]
        return torch.tensor([self._labels[i] if keep else NO_CLASS for i, keep in zip(indices, kept, strict=True)])


class Captions(Nothing):
    """Features of captions, encoded once.

    Args:
        captions: of each picture; "" for none.
        encoder: of the text.
        dropped: share that is dropped.
    """

    def __init__(self, captions: Sequence[str], encoder: TextEncoder, dropped: float) -> None:
        different = list(dict.fromkeys(["", *captions]))
        place = {caption: number for number, caption in enumerate(different)}
        self._features = torch.cat([encoder.encode([caption]).cpu() for caption in different])
        self._places, self._dropped = [place[caption] for caption in captions], dropped

    def of(self, indices: Sequence[int], rng: random.Random | None = None) -> Tensor:
        kept = [rng is None or rng.random() >= self._dropped for _ in indices]
        return self._features[[self._places[i] if keep else 0 for i, keep in zip(indices, kept, strict=True)]]
