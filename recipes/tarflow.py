"""Train the class-conditional flows of small pictures: `python -m recipes.tarflow [MODEL]`."""

from __future__ import annotations

import random
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from starflow_core.codecs.classes import NO_CLASS
from starflow_core.flow.config import TarFlowConfig
from starflow_core.flow.tarflow import TarFlow
from starflow_core.training.flows import bits_per_dim, new_tarflow, noised
from starflow_core.training.loop import Trainer, device

from . import classes, data
from .config import Config, arguments
from .pixels import as_tensor

HELD_OUT = 256  # pictures for the held-out figure in the log


def checkpoint(config: Config, name: str) -> Path:
    return config.folder / f"{name}.pt"


def build(settings: dict[str, Any]) -> TarFlow:
    """An untrained flow, which is the identity."""
    return new_tarflow(
        TarFlowConfig(
            in_channels=3,
            img_size=settings["image_size"],
            patch_size=settings["patch_size"],
            channels=settings["channels"],
            num_blocks=settings["num_blocks"],
            layers_per_block=settings["layers_per_block"],
            num_classes=len(classes.NAMES),
            noise_std=settings["noise_std"],
        ),
        device(),
    )


class Batches:
    """Draws training batches: pictures, changed as for the other models, and labels, some of which are dropped."""

    def __init__(self, settings: dict[str, Any], pictures: data.Data) -> None:
        self.settings = settings
        self.samples = pictures.samples(settings["seed"], recoloured=settings["recoloured"], paired=0.0)
        labels = [classes.label(row) for row in pictures.rows(pictures.trained)]
        sizes = Counter(labels)
        self._places = pictures.trained.tolist()
        self._labels = labels
        self._until = list(accumulate(self._weight(label, sizes) for label in labels))

    @property
    def rng(self) -> random.Random:
        """The random number generator of all draws."""
        return self.samples.rng

    def draw(self) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, H, W) in [−1, 1] without noise, and labels (B,)."""
        chosen = self.rng.choices(range(len(self._places)), cum_weights=self._until, k=self.settings["batch_size"])
        x = as_tensor(np.stack([self.samples.at(self._places[i])[0] for i in chosen]))
        return x, torch.tensor([self._said(self._labels[i]) for i in chosen], device=x.device)

    def _said(self, label: int | None) -> int:
        dropped = label is None or self.rng.random() < self.settings["dropped_classes"]
        return NO_CLASS if dropped or label is None else label

    def _weight(self, label: int | None, sizes: Counter[int | None]) -> float:
        if label is None and self.settings["only_classes"]:
            return 0.0
        return 1 / sizes[label] if self.settings["balanced"] else 1.0


def labels_of(pictures: data.Data, places: np.ndarray) -> Tensor:
    """The labels (n,) of pictures, `NO_CLASS` where no class fits."""
    labels = (classes.label(row) for row in pictures.rows(places))
    return torch.tensor([NO_CLASS if label is None else label for label in labels])


def train(config: Config, name: str) -> None:
    settings = config.tarflow[name]
    torch.manual_seed(settings["seed"])
    flow = build(settings)
    pictures = data.load(config, settings["image_size"])
    batches = Batches(settings, pictures)
    places = pictures.watched(HELD_OUT)
    x = noised(flow, as_tensor(pictures.images(places)), torch.Generator().manual_seed(0))
    labels = labels_of(pictures, places).to(x.device)

    def batch_loss(flow: TarFlow) -> Tensor:
        images, labels = batches.draw()
        return bits_per_dim(flow, noised(flow, images), labels)

    def held_out_bits(flow: TarFlow) -> float:
        return float(bits_per_dim(flow, x, labels))

    path = checkpoint(config, name)
    Trainer(flow, batch_loss, path, settings, held_out_bits, rng=batches.rng, autocast=False).run()


if __name__ == "__main__":
    given = arguments(__doc__, models=True)
    for name in given.models or given.config.tarflow:
        train(given.config, name)
