"""Previews while drawing, by the user's own preview setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.latent_formats
import latent_preview
from comfy.cli_args import LatentPreviewMethod, args
from torch import Tensor

from .values import Model

SIZE = 512  # pixels, of the longer side at most
STABLE_DIFFUSION = (4, 0.18215)  # channels and scale of latents that ComfyUI can preview

Preview = tuple[str, Any, int]


def has_native_latents(model: Model) -> bool:
    """Whether a model uses Stable Diffusion's latents, which ComfyUI's own nodes make and take."""
    autoencoder = model.pipeline.autoencoder
    if autoencoder is None:
        return False
    return (autoencoder.config.latent_channels, autoencoder.config.scaling_factor) == STABLE_DIFFUSION


def has_own_latents(model: Model) -> bool:
    """Whether a model uses latents of its own: neither Stable Diffusion's nor pictures."""
    return model.pipeline.autoencoder is not None and not has_native_latents(model)


def previewer(model: Model) -> Callable[[Tensor], Preview] | None:
    """A function from data of the flow (B, C, H, W) to a preview; None if the user turned previews off."""
    if args.preview_method == LatentPreviewMethod.NoPreviews:
        return None
    if has_native_latents(model):
        native = latent_preview.get_previewer(model.pipeline.flow.device, comfy.latent_formats.SD15())
        return native and (lambda x: native.decode_latent_to_preview_image("JPEG", x))

    def decoded(x: Tensor) -> Preview:  # pictures, or a small autoencoder
        return "JPEG", model.pipeline.decode(x[:1])[0], SIZE

    return decoded
