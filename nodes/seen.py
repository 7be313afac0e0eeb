"""Maps over pictures, for models that see a part of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from starflow_core.images import middle_box
from starflow_core.insight.heatmap import heatmap, value_range

from . import convert
from .values import Image, Mask, Model


@dataclass(frozen=True)
class Seen:
    """The part of pictures that a model sees.

    Attributes:
        size: width and height of the pictures, in pixels.
        box: left, top, right and bottom of the part.
    """

    size: tuple[int, int]
    box: tuple[int, int, int, int]

    @classmethod
    def of(cls, model: Model, image: Image | None, size: tuple[int, int]) -> Seen:
        """The part of an IMAGE; a latent is seen whole, and `size` is that of its picture."""
        if image is None:
            return cls(size, (0, 0, *size))
        size = (image.shape[2], image.shape[1])
        return cls(size, middle_box(size) if model.pipeline.flow.has_fixed_size else (0, 0, *size))

    def heatmaps(self, maps: Sequence[Tensor], between: tuple[float, float] | None = None) -> Image:
        """Maps (H', W') in nats by token as an IMAGE; unseen is black.

        The colours spread over the values `between`, or else over the common range of the maps.
        """
        left, top, right, bottom = self.box
        between = value_range(maps) if between is None else between
        image = torch.zeros(len(maps), self.size[1], self.size[0], 3)
        size = (right - left, bottom - top)
        image[:, top:bottom, left:right] = convert.image([heatmap(one, size, between) for one in maps])
        return image

    def mask(self, maps: Tensor) -> Mask:
        """Maps (B, H', W') in [0, 1] as a MASK; unseen is 0."""
        left, top, right, bottom = self.box
        mask = torch.zeros(len(maps), self.size[1], self.size[0])
        mask[:, top:bottom, left:right] = convert.mask(maps, (right - left, bottom - top))
        return mask
