"""Conversion between the values on the wires and the core's types."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image as Picture
from torch import Tensor

from starflow_core.images import to_images

from . import noise_mark
from .values import NOISE_OF, Image, Latent, Mask, Model


def image(pictures: Sequence[Picture.Image]) -> Image:
    """Pictures of one size as an IMAGE."""
    import numpy as np

    return torch.from_numpy(np.stack([np.asarray(picture, dtype=np.float32) / 255 for picture in pictures]))


def pictures(image: Image) -> list[Picture.Image]:
    """The pictures of an IMAGE, grey ones as RGB.

    Raises:
        ValueError: it is empty or of another shape.
    """
    if not isinstance(image, Tensor) or image.ndim != 4 or not image.numel():
        got = tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise ValueError(f"This image is {got}; it must be one or more pictures (B, H, W, 3). Connect Load Image.")
    colours = image[..., :3] if image.shape[-1] >= 3 else image[..., :1].expand(*image.shape[:-1], 3)
    return to_images(colours.movedim(-1, 1) * 2 - 1)


def mask(maps: Tensor, size: tuple[int, int]) -> Mask:
    """Maps (B, H', W') in [0, 1] as a MASK of `size` pixels, width and height, interpolated smoothly."""
    return torch.nn.functional.interpolate(maps[:, None], size=size[::-1], mode="bilinear", align_corners=False)[:, 0]


def latent(model: Model, x: Tensor) -> Latent:
    """Data of a flow (B, C, H, W) as a LATENT."""
    return {"samples": (x / _scale(model)).float().cpu()}


def data(model: Model, latent: Latent) -> Tensor:
    """A LATENT as data of a flow (B, C, H, W).

    Raises:
        ValueError: it is another model's, empty, or noise.
    """
    values = samples(latent)
    _check_shape(model, values)
    if model.pipeline.autoencoder is not None and not values.any():
        raise ValueError(
            "This latent is empty: all of it is zero, as Empty Latent Image makes it. A flow draws from a seed, and "
            "STARFlow Sampler needs no empty latent; connect one that holds a picture, such as that of STARFlow Encode."
        )
    return values * _scale(model)


def samples(latent: Latent) -> Tensor:
    """The values of a LATENT (B, C, H, W).

    Raises:
        ValueError: it has none, or is noise.
    """
    values = _samples(latent)
    if NOISE_OF in latent or noise_mark.is_marked(values):
        raise ValueError("This latent is noise, made by STARFlow Invert; connect it to the noise of STARFlow Sampler.")
    return values


def is_masked(latent: Latent) -> bool:
    """Whether a LATENT has a mask, of Set Latent Noise Mask or VAE Encode (for Inpainting)."""
    return isinstance(latent, dict) and latent.get("noise_mask") is not None


def beside(latent: Latent) -> Latent:
    """What a LATENT holds beside its values and a mask, which goes along with what is made of it."""
    return {name: value for name, value in latent.items() if name not in ("samples", "noise_mask")}


def unmasked(model: Model, latent: Latent) -> Tensor:
    """The same for a node that reads the whole latent; a mask is an error.

    Raises:
        ValueError: as above, or there is a mask.
    """
    _check_mask(latent)
    return data(model, latent)


def masked_data(model: Model, latent: Latent, mask: Mask | None) -> tuple[Tensor, Tensor]:
    """A LATENT as data of a flow (B, C, H, W), and where it is drawn anew (B, 1, H, W).

    Args:
        model: whose latent it is.
        latent: with a mask of its own, as Set Latent Noise Mask gives it, or without.
        mask: a mask beside it; None for its own.

    Raises:
        ValueError: as for `data`; or there is no mask, or it has another shape, or there are two.
    """
    x, own = data(model, latent), latent.get("noise_mask")
    if (mask is None) == (own is None):
        told = "no mask; connect one, or use" if mask is None else "a mask of its own; connect no other, or leave out"
        raise ValueError(f"This latent has {told} Set Latent Noise Mask.")
    given = own if mask is None else mask
    if not isinstance(given, Tensor) or given.ndim not in (2, 3, 4) or not given.numel():
        got = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
        raise ValueError(f"This mask is {got}; it must be (B, H, W).")
    masks = given.float().reshape(-1, 1, *given.shape[-2:]).to(x.device)
    if len(masks) not in (1, len(x)):
        raise ValueError(f"These are {len(masks)} masks for {len(x)} latents; give one, or one for each.")
    # A place is drawn anew if any pixel in it is.
    holes = torch.nn.functional.adaptive_max_pool2d((masks >= 0.5).float(), x.shape[2:]).bool()
    return x, holes.expand(len(x), -1, -1, -1)


def noise_latent(model: Model, z: Tensor) -> Latent:
    """A flow's noise (B, C, H, W) as a marked LATENT."""
    return {"samples": noise_mark.marked(z.cpu(), model.pipeline.name), NOISE_OF: model.pipeline.name}


def noise(model: Model, latent: Latent) -> Tensor:
    """The flow's noise (B, C, H, W) in a marked LATENT.

    Raises:
        ValueError: it is not noise, its values were changed, or it belongs to another model.
    """
    values, name = _samples(latent), model.pipeline.name
    is_noise = noise_mark.is_marked(values)
    if not is_noise and NOISE_OF not in latent:
        raise ValueError(
            "This latent is no noise of a flow; make one with STARFlow Invert, or leave noise unconnected."
        )
    _check_mask(latent)
    if not is_noise or not noise_mark.is_intact(values):
        raise ValueError(
            "The values of this noise were changed after STARFlow Invert, as by Latent Blend, Latent Add, Latent "
            "Multiply or Upscale Latent. A flow draws from noise of variance 1 only, which those do not keep. Connect "
            "STARFlow Invert directly, or by nodes that choose, repeat, turn or cut latents; to depart from the "
            "picture, raise the variation of STARFlow Sampler."
        )
    if not noise_mark.is_of(values, name):
        made_by = latent.get(NOISE_OF)
        whose = f"of the model {made_by}" if made_by not in (None, name) else "that of another model"
        raise ValueError(f"This noise is {whose}, and means nothing to {name}; make it with STARFlow Invert of {name}.")
    z = noise_mark.unmarked(values)
    _check_shape(model, z)
    return z


def _scale(model: Model) -> float:
    autoencoder = model.pipeline.autoencoder
    return 1.0 if autoencoder is None else autoencoder.config.scaling_factor


def _samples(latent: Latent) -> Tensor:
    values = latent.get("samples") if isinstance(latent, dict) else None
    if not isinstance(values, Tensor):
        raise ValueError(f"This latent is {type(latent).__name__} without samples; connect that of STARFlow Encode.")
    return values


def _check_mask(latent: Latent) -> None:
    if is_masked(latent):
        raise ValueError(
            "This latent has a mask, of Set Latent Noise Mask or VAE Encode (for Inpainting), which cannot be heeded "
            "here: whole pictures are read. STARFlow Inpaint, and the latent of STARFlow Sampler, draw the masked "
            "places anew; or connect the latent from before the mask."
        )


def _check_shape(model: Model, samples: Tensor) -> None:
    channels = model.pipeline.flow.config.in_channels
    if samples.ndim != 4 or samples.shape[1] != channels or not samples.numel():
        raise ValueError(
            f"This latent has shape {tuple(samples.shape)}; {model.pipeline.name} takes (B, {channels}, H, W). Encode "
            "the picture with STARFlow Encode and this model."
        )
