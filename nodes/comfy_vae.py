"""The autoencoder as ComfyUI's native nodes take one: VAE Decode, VAE Encode, and their tiled kin.

ComfyUI's own class recognises autoencoders by their weights, and not these; this one has what native nodes ask of it.
"""

from __future__ import annotations

from collections.abc import Callable

import comfy.model_management as management
import torch
from torch import Tensor

from . import convert
from .pictures import PIXEL_MEMORY
from .values import Model, Placed


class StarFlowVae:
    """Between IMAGE (B, H, W, 3) in [0, 1] and unscaled latents (B, C, h, w).

    Args:
        model: whose autoencoder it is.
        bring: has a part where it computes, with so many bytes free beside it.
    """

    def __init__(self, model: Model, bring: Callable[[Placed, int], object]) -> None:
        self._model, self._bring = model, bring
        self.latent_channels = model.pipeline.flow.config.in_channels
        self.latent_dim = 2
        self.output_channels = 3

    def decode(self, samples: Tensor, **options: object) -> Tensor:
        pipeline = self._model.pipeline
        self._load(samples.shape[-1] * samples.shape[-2] * pipeline.factor**2)
        with torch.inference_mode(False), torch.no_grad():
            x = convert.data(self._model, {"samples": samples})
            if pipeline.autoencoder is not None:
                x = pipeline.autoencoder.decode(x)
            return ((x.clamp(-1, 1) + 1) / 2).movedim(1, -1).to(management.intermediate_device())

    def encode(self, pixels: Tensor) -> Tensor:
        pipeline = self._model.pipeline
        multiple = pipeline.multiple
        height, width = (side - side % multiple for side in pixels.shape[1:3])
        self._load(width * height)
        with torch.inference_mode(False), torch.no_grad():
            x = pixels[:, :height, :width, :3].movedim(-1, 1) * 2 - 1
            if pipeline.autoencoder is not None:
                x = pipeline.autoencoder.encode(x)
            encoded: Tensor = convert.latent(self._model, x)["samples"]
            return encoded.to(management.intermediate_device())

    def decode_tiled(self, samples: Tensor, **tiles: object) -> Tensor:
        """In tiles of the autoencoder's own choice, where the picture is large."""
        return self.decode(samples)

    def encode_tiled(self, pixels: Tensor, **tiles: object) -> Tensor:
        return self.encode(pixels)

    def spacial_compression_decode(self) -> int:
        return self._model.pipeline.factor

    def spacial_compression_encode(self) -> int:
        return self._model.pipeline.factor

    def temporal_compression_decode(self) -> None:
        return None

    def _load(self, pixels: int) -> None:
        if self._model.autoencoder.placement is not None:
            self._bring(self._model.autoencoder, pixels * PIXEL_MEMORY)
