"""What a flow learns from: random batches of pictures, or of their latents, with their conditions."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from ..flow.flow import Flow
from .flows import bits_per_dim, noised
from .pictures import Pictures
from .task import Task

VIEWS = 192  # of held-out pictures, that a figure is the mean of, at most
AT_ONCE = 32


class Lessons:
    """Random batches to train on, and fixed held-out ones.

    Args:
        pictures: all of them.
        trained: places of those to train on.
        held_out: places of the others.
        task: what the flow is told of each, and the autoencoder whose latents it learns, if any.
        latents: of all pictures, as `encoded` gives them.
        batch_size: pictures a batch.
        seed: of the batches.
        device: that batches are made for.
    """

    def __init__(
        self,
        pictures: Pictures,
        trained: Sequence[int],
        held_out: Sequence[int],
        task: Task,
        latents: Tensor | None,
        *,
        batch_size: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.pictures, self.trained, self.task = pictures, trained, task
        self.autoencoder, self.batch_size, self.device = task.autoencoder, batch_size, device
        self.rng = random.Random(seed)
        self._latents = latents
        some = list(held_out) * (max(1, min(4, VIEWS // len(held_out))) if pictures.framing.crop else 1)
        self._unseen = self.data(some[:VIEWS], random.Random(0))
        self._unseen_condition = task.conditions.of(some[:VIEWS])

    def loss(self, flow: Flow) -> Tensor:
        """Bits per dimension of a random batch."""
        chosen = self.rng.choices(self.trained, k=self.batch_size)
        x = self.data(chosen, self.rng)
        return bits_per_dim(flow, noised(flow, x), self.task.conditions.of(chosen, self.rng))

    @torch.no_grad()
    def held_out_bits(self, flow: Flow) -> float:
        """Bits per dimension of held-out pictures, always with the same noise."""
        x = noised(flow, self._unseen, torch.Generator().manual_seed(0))
        total = 0.0
        for first in range(0, len(x), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            given = None if self._unseen_condition is None else self._unseen_condition[part]
            total += float(bits_per_dim(flow, x[part], given)) * len(x[part])
        return total / len(x)

    @torch.no_grad()
    def data(self, indices: Sequence[int], rng: random.Random) -> Tensor:
        """The flow's data (N, C, H, W) of some pictures, without noise."""
        if self._latents is not None:
            mirror = self.pictures.framing.mirror
            places = [i + len(self.pictures) * (mirror and rng.random() < 0.5) for i in indices]
            return self._latents[places].float().to(self.device)
        x = self.pictures.views(indices, rng).to(self.device)
        return x if self.autoencoder is None else torch.cat([self.autoencoder.encode(x) for x in x.split(AT_ONCE)])


@torch.no_grad()
def encoded(pictures: Pictures, task: Task, device: torch.device) -> Tensor | None:
    """The latents of all pictures, float16, and then of their mirror images, if those are seen.

    None where the flow learns no latents, or random crops, whose latents differ every time.
    """
    framing = pictures.framing
    if task.autoencoder is None or framing.crop:
        return None
    found = []
    for mirrored in (False, True) if framing.mirror else (False,):
        for first in range(0, len(pictures), AT_ONCE):
            x = pictures.whole(range(first, min(first + AT_ONCE, len(pictures)))).to(device)
            found.append(task.autoencoder.encode(x.flip(-1) if mirrored else x).half().cpu())
    return torch.cat(found)
