"""Small networks that tell of a picture which set it is of, and which name it shows.

They learn pictures as the autoencoder decodes them, and with noise, so that what an autoencoder does to a picture tells
nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from recipes.judge import Matcher
from starflow_core.codecs.autoencoder import Autoencoder
from starflow_core.training.pictures import as_tensor

SIDE = 64  # pixels
WIDTHS = (16, 32, 64, 96)
SHIFT = 4  # pixels, at most
NOISE = 0.3  # at most, in pictures in [−1, 1]
BATCH, RATE = 64, 2e-3
AT_ONCE = 50


class Telling:
    """Says which of some kinds a picture is of.

    Args:
        network: maps pictures (N, 3, S, S) in [−1, 1] to a number for each kind.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval()

    @classmethod
    def fit(cls, pictures: Tensor, kinds: Sequence[int], steps: int) -> Telling:
        """Train one.

        Args:
            pictures: (N, 3, S, S) in [−1, 1].
            kinds: of each, from 0.
            steps: of 64 pictures; each kind is as frequent as the others.
        """
        torch.manual_seed(0)
        rng, of = random.Random(0), np.array(kinds)
        places = [np.flatnonzero(of == kind) for kind in range(max(kinds) + 1)]
        network = Matcher(WIDTHS, len(places)).pictures
        optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
        for _ in range(steps):
            chosen = [rng.choice(rng.choice(places)) for _ in range(BATCH)]
            loss = F.cross_entropy(network(_varied(pictures[chosen], rng)), torch.from_numpy(of[chosen]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return cls(network)

    @torch.no_grad()
    def ranks(self, pictures: Tensor, kinds: Sequence[int]) -> list[int]:
        """How many kinds are thought likelier than the right one, of each picture."""
        scores = torch.cat([self.network(part) for part in pictures.split(AT_ONCE)])
        own = scores[torch.arange(len(scores)), torch.tensor(kinds)]
        return [int(rank) for rank in (scores > own[:, None]).sum(1)]


def _varied(pictures: Tensor, rng: random.Random) -> Tensor:
    """The pictures, shifted by some pixels, and with noise."""
    padded = F.pad(pictures, (SHIFT,) * 4, value=1.0)
    top, left = rng.randint(0, 2 * SHIFT), rng.randint(0, 2 * SHIFT)
    moved = padded[:, :, top : top + SIDE, left : left + SIDE]
    return moved + NOISE * torch.rand(len(moved), 1, 1, 1) * torch.randn_like(moved)


@torch.no_grad()
def decoded(images: np.ndarray, autoencoder: Autoencoder) -> Tensor:
    """Pictures (N, S, S, 3) uint8 as the autoencoder decodes them, (N, 3, 64, 64) in [−1, 1]."""
    small = np.stack(
        [np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX)) for image in images]
    )
    parts = as_tensor(small).split(AT_ONCE)
    return torch.cat([autoencoder.decode(autoencoder.encode(part)).clamp(-1, 1) for part in parts])


def drawn(images: Sequence[Image.Image]) -> Tensor:
    """Drawn pictures of 64×64, (N, 3, 64, 64) in [−1, 1]."""
    return as_tensor(np.stack([np.asarray(image.convert("RGB")) for image in images]))
