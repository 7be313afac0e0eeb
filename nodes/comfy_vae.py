"""The autoencoder for ComfyUI's native nodes: VAE Decode, VAE Encode, their tiled variants, and VAE Save.

ComfyUI's own class recognises autoencoders by their weights, but not these; this one has what native nodes use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.model_management as management
import torch
from torch import Tensor

from starflow_core.images import grey

from . import convert
from .comfy_progress import bar, cancellable
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
        self.downscale_ratio = self.upscale_ratio = model.pipeline.factor
        self.patcher = model.autoencoder.placement
        self.first_stage_model = model.autoencoder.part

    def decode(self, samples: Tensor, **options: object) -> Tensor:
        pipeline = self._model.pipeline
        with torch.inference_mode(False), torch.no_grad():
            x = convert.data(self._model, {"samples": samples})
            if pipeline.autoencoder is not None:
                x = self._each(pipeline.autoencoder.decode, x, x.shape[-1] * x.shape[-2] * pipeline.factor**2)
            colours = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x  # a flow of grey pictures
            return ((colours.clamp(-1, 1) + 1) / 2).movedim(1, -1).to(management.intermediate_device())

    def encode(self, pixels: Tensor) -> Tensor:
        pipeline = self._model.pipeline
        multiple = pipeline.multiple
        height, width = (side - side % multiple for side in pixels.shape[1:3])
        with torch.inference_mode(False), torch.no_grad():
            x = pixels[:, :height, :width, :3].movedim(-1, 1) * 2 - 1
            if pipeline.channels == 1:
                x = grey(x)
            if pipeline.autoencoder is not None:
                x = self._each(pipeline.autoencoder.encode, x, width * height)
            encoded: Tensor = convert.latent(self._model, x)["samples"]
            return encoded.to(management.intermediate_device())

    def decode_tiled(self, samples: Tensor, **tiles: object) -> Tensor:
        """Decode; the autoencoder tiles large pictures by itself."""
        return self.decode(samples)

    def encode_tiled(self, pixels: Tensor, **tiles: object) -> Tensor:
        return self.encode(pixels)

    def get_sd(self) -> dict[str, Any]:
        """The weights, under diffusers' names, for VAE Save.

        Raises:
            ValueError: there are none.
        """
        autoencoder = self._model.pipeline.autoencoder
        if autoencoder is None:
            raise ValueError(
                f"{self._model.pipeline.name} is a flow of pictures; it has no autoencoder, and there is nothing to "
                "save."
            )
        return autoencoder.state_dict()

    def throw_exception_if_invalid(self) -> None:
        """Do nothing: native nodes call this for an autoencoder that was not recognised."""

    def spacial_compression_decode(self) -> int:
        return self._model.pipeline.factor

    def spacial_compression_encode(self) -> int:
        return self._model.pipeline.factor

    def temporal_compression_decode(self) -> None:
        return None

    def _each(self, work: Callable[[Tensor], Tensor], batch: Tensor, pixels: int) -> Tensor:
        """Apply a function to each item of a batch, with progress; `pixels` is the size of a picture."""
        self._bring(self._model.autoencoder, pixels * PIXEL_MEMORY)
        report = bar()
        done: list[Tensor] = []
        with cancellable(self.patcher.model):
            for one in batch:
                done += work(one[None])
                report(len(done), len(batch))
        return torch.stack(done)
