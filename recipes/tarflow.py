"""Train the class-conditional flows of small pictures: `python -m recipes.tarflow [MODEL]`."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from starflow_core.codecs.classes import NO_CLASS
from starflow_core.codecs.dequantization import dequantized
from starflow_core.flow.config import TarFlowConfig
from starflow_core.flow.tarflow import TarFlow
from starflow_core.training.initialisation import STD, start_as_identity
from starflow_core.training.loop import Trainer, device
from starflow_core.training.mixed_precision import MixedPrecision, edges_in_float32

from . import classes, data
from .autoencoder import as_tensor
from .colours import recoloured
from .config import Config, arguments
from .flow import noised as with_gaussian_noise
from .held_out import HeldOut
from .variants import may_be_mirrored


def names(settings: dict[str, Any]) -> tuple[str, ...]:
    """The classes that a model learns: all of them where its settings name none."""
    return tuple(settings.get("classes", classes.NAMES))


def labelled(dataset: data.Dataset, settings: dict[str, Any]) -> tuple[data.Dataset, list[int]]:
    """The pictures of the classes that a model learns, and their labels."""
    places = {classes.NAMES.index(name): place for place, name in enumerate(names(settings))}
    found = [places.get(classes.label(subject)) for subject in dataset.subjects]
    kept = dataset.where(np.array([label is not None for label in found]))
    return kept, [label for label in found if label is not None]


def checkpoint(config: Config, name: str) -> Path:
    return config.folder / f"{name}.pt"


def build(settings: dict[str, Any]) -> TarFlow:
    """An untrained flow, which is the identity."""
    flow = TarFlow(
        TarFlowConfig(
            in_channels=3,
            img_size=settings["image_size"],
            patch_size=settings["patch_size"],
            channels=settings["channels"],
            num_blocks=settings["num_blocks"],
            layers_per_block=settings["layers_per_block"],
            num_classes=len(names(settings)),
            noise_std=settings["noise_std"],
        ),
        MixedPrecision,
    )
    edges_in_float32(flow)
    for block in flow.blocks:
        assert block.pos_embed is not None
        assert block.class_embed is not None
        nn.init.normal_(block.pos_embed, std=STD)
        nn.init.normal_(block.class_embed, std=STD)
    start_as_identity(flow)
    return flow.to(device())


def small(dataset: data.Dataset, size: int) -> np.ndarray:
    """A dataset's pictures (N, size, size, 3) uint8."""
    return np.stack(
        [np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BOX)) for image in dataset.images]
    )


def noised(flow: TarFlow, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Pictures (B, C, H, W) in [−1, 1] with the noise that the flow is to learn them with."""
    if flow.is_dequantized:
        return dequantized(x, torch.rand(x.shape, generator=generator).to(x))
    return with_gaussian_noise(x, flow.config.noise_std, generator)


def bits_per_dim(flow: TarFlow, x: Tensor, labels: Tensor) -> Tensor:
    """Mean bits per dimension of noised pictures (B, C, H, W) in [−1, 1] given labels (B,), in 8-bit steps."""
    return math.log2(flow.levels) - flow(x, labels).log_prob.mean() / (math.log(2) * x[0].numel())


class Batches:
    """Draws training batches: pictures moved, mirrored and in other colours, and labels, some of them dropped."""

    def __init__(self, settings: dict[str, Any], dataset: data.Dataset, held_out: HeldOut) -> None:
        self.settings, self.rng = settings, random.Random(settings["seed"])
        dataset, self.labels = labelled(dataset, settings)
        self.images = small(dataset, settings["image_size"])
        pairs = zip(dataset.subjects, self.images, strict=True)
        self.colours = [held_out.colours(subject, image) for subject, image in pairs]
        self.mirrored = [may_be_mirrored(subject) for subject in dataset.subjects]
        sizes = Counter(self.labels)
        self.weights = [1 / sizes[label] if settings["balanced"] else 1.0 for label in self.labels]

    def draw(self) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, H, W) in [−1, 1] without noise, and labels (B,)."""
        chosen = self.rng.choices(range(len(self.images)), self.weights, k=self.settings["batch_size"])
        x = as_tensor(np.stack([self._augmented(i) for i in chosen]))
        dropped = self.settings["dropped_classes"]
        labels = [NO_CLASS if self.rng.random() < dropped else self.labels[i] for i in chosen]
        return x, torch.tensor(labels, device=x.device)

    def _augmented(self, i: int) -> np.ndarray:
        image = self.images[i]
        if self.colours[i] and self.rng.random() < self.settings["recoloured"]:
            image = recoloured(image, self.rng.choice(self.colours[i]))
        if self.mirrored[i] and self.rng.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
        return data.moved(image, self.rng) if self.rng.random() < 0.7 else image


def train(config: Config, name: str) -> None:
    settings = config.tarflow[name]
    torch.manual_seed(settings["seed"])
    flow = build(settings)
    left_out = HeldOut.load(config.held_out)
    training, held_out = data.load(config).of_styles(settings["styles"]).split(left_out)
    batches = Batches(settings, training, left_out)
    held_out, held_out_labels = labelled(held_out, settings)
    x = as_tensor(small(held_out, settings["image_size"]))
    x = noised(flow, x, torch.Generator().manual_seed(0))
    labels = torch.tensor(held_out_labels, device=x.device)

    def batch_loss(flow: TarFlow) -> Tensor:
        pictures, labels = batches.draw()
        return bits_per_dim(flow, noised(flow, pictures), labels)

    def held_out_bits(flow: TarFlow) -> float:
        return float(bits_per_dim(flow, x, labels))

    Trainer(flow, batch_loss, checkpoint(config, name), settings, held_out_bits, autocast=False).run()


if __name__ == "__main__":
    given = arguments(__doc__, models=True)
    for name in given.models or given.config.tarflow:
        train(given.config, name)
