"""Training samples of the flow, encoded ahead: each is seen a few times, under fresh noise, and then replaced."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from starflow_core.codecs.autoencoder import Autoencoder

from .pictures.samples import Samples
from .pixels import as_tensor


class Pool:
    """Latents with captions, the newest `capacity` of all that were drawn.

    Drawing, changing and encoding a picture costs about as much as a training step with it. Every batch brings a few
    new ones, and fills up with ones from before.

    Args:
        samples: where new ones come from.
        encoder: of pictures to latents.
        capacity: samples kept.
        fresh: new ones a batch.
        first: samples before any is seen again, so that a resumed training does not dwell on a handful.
    """

    def __init__(
        self, samples: Samples, encoder: Autoencoder, *, capacity: int, fresh: int, first: int = 1_000
    ) -> None:
        self.samples, self.encoder = samples, encoder
        self.capacity, self.fresh, self.first = capacity, fresh, min(first, capacity)
        self.latents: list[Tensor] = []  # (C, h, w) float16
        self.captions: list[str] = []
        self._oldest = 0

    @property
    def rng(self) -> random.Random:
        """The random numbers that everything here is drawn by."""
        return self.samples.rng

    def draw(self, number: int) -> tuple[Tensor, list[str]]:
        """A batch: latents (number, C, h, w) float32 without noise, and their captions."""
        wanted = number if len(self.latents) < self.first else self.fresh
        chosen = self._add(wanted)
        chosen += [self.rng.randrange(len(self.latents)) for _ in range(number - wanted)]
        latents = torch.stack([self.latents[place] for place in chosen]).float()
        return latents.to(self.encoder.device), [self.captions[place] for place in chosen]

    @torch.no_grad()
    def _add(self, number: int) -> list[int]:
        """Draw and encode new samples; the places where they are kept."""
        images, captions = self.samples.draw(number)
        places = []
        for latent, caption in zip(self.encoder.encode(as_tensor(images)).half().cpu(), captions, strict=True):
            if len(self.latents) < self.capacity:
                places.append(len(self.latents))
                self.latents.append(latent)
                self.captions.append(caption)
            else:
                places.append(self._oldest)
                self.latents[self._oldest], self.captions[self._oldest] = latent, caption
                self._oldest = (self._oldest + 1) % self.capacity
        return places
