"""Trains the codec's flow: `python -m recipes.codec`.

The flow has a single autoregressive block, so that a range coder can use its predictions as they are. It learns from
single pixels of many pictures. Pixels of an even ground are drawn less often and weigh more.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from starflow_core.compression.context import BEFORE, OFFSETS, RADIUS, RIGHT, anchors, contexts, framed, inputs
from starflow_core.training.loop import Trainer, device

from . import data
from .codec_network import Network, log_prob
from .config import Config, arguments
from .data import Data

CHECKPOINT = "codec.pt"
CROP = 64  # pixels of a side
PIXELS = 128  # of a crop, in a batch
EVEN_SHARE = 0.2  # pixels of an even ground, as a share of those that there are
CLOTH = 40  # photographs of cloth
WATCHED = 200  # held-out pictures for the log
RESERVED = 200  # held-out pictures that figures are measured on; the log uses others


class Pixels:
    """Draws pixels with their contexts from pictures."""

    def __init__(self, source: Data, photographs: list[np.ndarray], rng: random.Random, share: float) -> None:
        self.source, self.photographs, self.rng, self.share = source, photographs, rng, share

    def batch(self, count: int) -> tuple[Tensor, ...]:
        """Of `count` crops: inputs (P, 303), anchors (P, 8, 3), pixels (P, 3) and weights (P,)."""
        return drawn([self._crop() for _ in range(count)], np.random.default_rng(self.rng.getrandbits(64)))

    def _crop(self) -> np.ndarray:
        is_photograph = bool(self.photographs) and self.rng.random() < self.share
        image = self._scaled_photograph() if is_photograph else self._picture()
        if self.rng.random() < 0.5:
            image = image[:, ::-1]
        if self.rng.random() < 0.06:
            image = np.repeat(np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("L"))[..., None], 3, -1)
        top, left = (self.rng.randrange(max(side - CROP, 0) + 1) for side in image.shape[:2])
        return np.ascontiguousarray(image[top : top + CROP, left : left + CROP])

    def _picture(self) -> np.ndarray:
        place = int(self.source.trained[self.rng.randrange(len(self.source.trained))])
        image, alpha = self.source.pictures.images[place], self.source.pictures.alpha[place]
        if self.rng.random() < 0.3:
            ground = np.array([self.rng.randrange(256) for _ in range(3)])
            clear = 1 - alpha[..., None] / 255
            image = np.clip(image + clear * (ground - 255.0), 0, 255).round().astype(np.uint8)
        full = len(image)
        side = self.rng.choice([full, full, full // 2, full // 4])
        return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX))

    def _scaled_photograph(self) -> np.ndarray:
        image = Image.fromarray(self.photographs[self.rng.randrange(len(self.photographs))])
        least = CROP / min(image.size)
        scale = math.exp(self.rng.uniform(math.log(max(least, 0.25)), 0))
        size = [max(CROP, round(side * scale)) for side in image.size]
        method = self.rng.choice([Image.Resampling.BOX, Image.Resampling.LANCZOS, Image.Resampling.BICUBIC])
        return np.asarray(image.resize((size[0], size[1]), method))


def drawn(crops: list[np.ndarray], rng: np.random.Generator, count: int = PIXELS) -> tuple[Tensor, ...]:
    """Draw pixels of crops: inputs, anchors, pixels, and weights that make up for the rarer even ground."""
    parts = [_drawn(crop, rng, count) for crop in crops]
    return tuple(torch.from_numpy(np.concatenate(part)).float() for part in zip(*parts, strict=True))


def _drawn(crop: np.ndarray, rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    height, width = crop.shape[:2]
    row, column = (axis.ravel() for axis in np.mgrid[:height, :width])
    frame = framed(crop[None])
    even = (_spread(frame[0]) == 0)[row, column]
    chance = np.where(even, EVEN_SHARE, 1.0)
    taken = rng.choice(len(row), count, p=chance / chance.sum())
    context = contexts(frame, np.zeros(count, int), row[taken], column[taken])
    weights = chance.mean() / chance[taken]
    return inputs(context), anchors(context), crop[row[taken], column[taken]], weights


def _spread(frame: np.ndarray) -> np.ndarray:
    """Difference of the largest and the least value among a pixel's nearest ones: (H + 5, W + 9, 3) → (H, W)."""
    height, width = frame.shape[0] - RADIUS, frame.shape[1] - BEFORE - RIGHT
    near = [(y, x) for y, x in OFFSETS if y <= 1 and abs(x) <= 1]
    values = [frame[RADIUS - y : RADIUS - y + height, BEFORE + x :][:, :width].astype(int) for y, x in near]
    return np.asarray((np.max(values, axis=0) - np.min(values, axis=0)).max(-1))


def photographs() -> list[np.ndarray]:
    """Photographs (H, W, 3) uint8 that come with Python packages: scikit-learn's two, and cloth without defects.

    Raises:
        SystemExit: a package is missing.
    """
    try:
        import conformal_clip_data
        from sklearn.datasets import load_sample_images
    except ImportError as error:
        raise SystemExit(
            f"Photographs need {error.name}: pip install scikit-learn; pip install --no-deps conformal-clip-data."
        ) from None
    cloth = sorted(Path(conformal_clip_data.__file__).parent.rglob("nominal/*.jpg"))[:CLOTH]
    return [*load_sample_images().images, *(np.asarray(Image.open(path).convert("RGB")) for path in cloth)]


def loss_on(pixels: Pixels, batch_size: int) -> Callable[[Network], Tensor]:
    """Return the loss: bits per dimension of a batch of crops."""

    def loss(network: Network) -> Tensor:
        x, anchor, value, weight = (part.to(device()) for part in pixels.batch(batch_size))
        return bits(network, x, anchor, value, weight)

    return loss


def bits(network: Network, x: Tensor, anchor: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    """Mean bits per dimension of pixels."""
    return (weight * -log_prob(network(x), anchor, value)).sum() / weight.sum() / (3 * math.log(2))


def train(config: Config) -> Network:
    """Train the network, from its last checkpoint on, and return it with averaged weights."""
    settings = config.codec
    source = data.load(config)
    rng = random.Random(settings["seed"])
    share = settings["photographs"]
    pixels = Pixels(source, photographs() if share else [], rng, share)
    torch.manual_seed(settings["seed"])
    network = Network().to(device())
    shown = drawn(list(source.images(_watched(source))), np.random.default_rng(0), 4 * PIXELS)

    @torch.no_grad()
    def evaluate(model: Network) -> float:
        return float(bits(model, *(part.to(device()) for part in shown)))

    return Trainer(
        network,
        loss_on(pixels, settings["batch_size"]),
        config.folder / CHECKPOINT,
        settings,
        evaluate,
        rng=rng,
        autocast=False,
    ).run()


def _watched(source: Data) -> np.ndarray:
    """Held-out pictures for the log: others than those of the figures, if there are so many."""
    others = source.shuffled_unseen[RESERVED:]
    return others[:WATCHED] if len(others) else source.watched(WATCHED)


def main() -> None:
    train(arguments(__doc__).config)


if __name__ == "__main__":
    main()
