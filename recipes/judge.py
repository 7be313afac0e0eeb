"""Whether pictures show what they should: the nearest known picture, and the colour of most of what is coloured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from starflow_core.codecs.autoencoder import Autoencoder

from .colours import COLOURS, dominant_hue, nearest_colour, recoloured
from .data import Dataset
from .flow import latents_of
from .held_out import is_colourable


class Judge:
    """Compares pictures with all known ones, by distance between latents.

    Args:
        autoencoder: makes the latents.
        dataset: the known pictures.
    """

    def __init__(self, autoencoder: Autoencoder, dataset: Dataset) -> None:
        self._autoencoder, self._dataset = autoencoder, dataset
        self._known: dict[str | None, Tensor] = {None: self.features(dataset.images)}

    def features(self, images: np.ndarray) -> Tensor:
        """Latents of pictures (N, H, W, 3) uint8, as vectors (N, D)."""
        return latents_of(self._autoencoder, images).flatten(1)

    def rank(self, image: Image.Image, i: int, colour: str | None = None) -> int:
        """How many known pictures are nearer than the one at place i, all of them in a colour where they can be."""
        if colour not in self._known:
            self._known[colour] = self.features(self._all_in(colour))
        distances = (self._known[colour] - self.features(as_array([image]))).norm(dim=1)
        return int((distances < distances[i]).sum())

    def _all_in(self, colour: str | None) -> np.ndarray:
        assert colour is not None
        pairs = zip(self._dataset.subjects, self._dataset.images, strict=True)
        return np.stack([recoloured(x, colour) if is_colourable(subject, x) else x for subject, x in pairs])


def has_colour(image: Image.Image, colour: str) -> bool:
    """Whether most of a picture's colour is nearest to a named one."""
    assert colour in COLOURS
    hue = dominant_hue(np.asarray(image))
    return hue is not None and nearest_colour(hue) == colour


def as_array(images: Sequence[Image.Image]) -> np.ndarray:
    """Pictures of one size as (N, H, W, 3) uint8."""
    return np.stack([np.asarray(image) for image in images])
