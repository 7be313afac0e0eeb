"""A judge of drawn pictures, independent of the flow: `python -m recipes.judge` trains it.

The judge matches pictures with texts. A small convolutional network maps pictures, and another map takes a language
model's sentence embeddings, into one space (as in CLIP, arXiv 2103.00020). The judge learns the same pictures as the
flow, so held-out names, pairs and pictures are new to it too. Its accuracy on them is printed; it limits what the judge
can tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from starflow_core.training.loop import Trainer, device

from . import data, meaning
from .config import Config, arguments
from .pixels import as_tensor

CHECKPOINT = "judge.pt"
TEXT_WIDTH = 384
HELD_OUT = 200  # pictures for the held-out figure in the log


class Matcher(nn.Module):
    """Maps pictures and texts to unit vectors, whose products say how well they match."""

    def __init__(self, widths: Sequence[int], space: int) -> None:
        super().__init__()
        stages = [_stage(inputs, outputs) for inputs, outputs in zip((3, *widths), widths, strict=False)]
        self.pictures = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * widths[-1], space))
        self.texts = nn.Sequential(nn.Linear(TEXT_WIDTH, 2 * space), nn.GELU(), nn.Linear(2 * space, space))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def of_pictures(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [−1, 1] → (B, space)."""
        return F.normalize(self.pictures(x), dim=-1)

    def of_texts(self, embeddings: Tensor) -> Tensor:
        """Sentence embeddings (B, 384) → (B, space)."""
        return F.normalize(self.texts(embeddings), dim=-1)


class Judge:
    """Says which of several texts a picture shows.

    Args:
        matcher: the trained network.
        side: the side of the pictures that the network takes, in pixels.
    """

    def __init__(self, matcher: Matcher, side: int) -> None:
        self.matcher, self.side = matcher.eval(), side

    @torch.no_grad()
    def features(self, images: Sequence[Image.Image] | np.ndarray) -> Tensor:
        """Pictures as unit vectors (N, space)."""
        small = np.stack([np.asarray(self._small(image)) for image in images])
        return torch.cat(
            [self.matcher.of_pictures(as_tensor(part)) for part in np.array_split(small, -(-len(small) // 64))]
        )

    @torch.no_grad()
    def text_features(self, texts: Sequence[str]) -> Tensor:
        """Texts as unit vectors (N, space)."""
        return self.matcher.of_texts(meaning.sentence_embeddings(texts).to(device()))

    def ranks(
        self, images: Sequence[Image.Image] | np.ndarray, texts: Sequence[str], right: Sequence[int]
    ) -> list[int]:
        """Count, for each picture, the texts that match it better than the right text, whose place is given."""
        scores = self.features(images) @ self.text_features(texts).T
        own = scores[torch.arange(len(scores)), torch.tensor(right)]
        return [int(rank) for rank in (scores > own[:, None]).sum(1)]

    def _small(self, image: Image.Image | np.ndarray) -> Image.Image:
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        return picture.convert("RGB").resize((self.side, self.side), Image.Resampling.BOX)


def build(config: Config) -> Matcher:
    return Matcher(config.judge["widths"], config.judge["space"]).to(device())


def train(config: Config) -> None:
    settings = config.judge
    torch.manual_seed(settings["seed"])
    pictures = data.load(config, settings["image_size"])
    samples = pictures.samples(settings["seed"])
    places = pictures.watched(HELD_OUT)
    names = [row.name for row in pictures.rows(places)]

    def batch_loss(matcher: Matcher) -> Tensor:
        images, said = samples.draw(settings["batch_size"])
        x = as_tensor(images)
        x = x + settings["noise"] * torch.rand((len(x), 1, 1, 1), device=x.device) * torch.randn_like(x)
        scores = matcher.of_pictures(x) @ matcher.of_texts(meaning.sentence_embeddings(said).to(x.device)).T
        scores = scores * matcher.log_scale.exp().clamp(max=100)
        right = torch.arange(len(x), device=x.device)
        return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2

    def right_among_held_out(matcher: Matcher) -> float:
        judge = Judge(matcher, settings["image_size"])
        ranks = judge.ranks(pictures.images(places), names, range(len(names)))
        matcher.train()
        return sum(rank < 5 for rank in ranks) / len(ranks)

    path = config.folder / CHECKPOINT
    Trainer(build(config), batch_loss, path, settings, right_among_held_out, rng=samples.rng).run()


def load(config: Config, path: Path | None = None) -> Judge:
    """A trained judge, from its file; by default the one that was trained with the configuration."""
    path = path or config.folder / CHECKPOINT
    if not path.exists():
        raise SystemExit("There is no judge yet; run `python -m recipes.judge` first.")
    matcher = build(config)
    matcher.load_state_dict(torch.load(path, map_location=device(), weights_only=True)["average"])
    return Judge(matcher.requires_grad_(False), config.judge["image_size"])


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    def half(channels: int, stride: int) -> list[nn.Module]:
        groups: Any = math.gcd(8, outputs)
        return [nn.Conv2d(channels, outputs, 3, stride, 1), nn.GroupNorm(groups, outputs), nn.ReLU()]

    return nn.Sequential(*half(inputs, 2), *half(outputs, 1))


if __name__ == "__main__":
    train(arguments(__doc__).config)
