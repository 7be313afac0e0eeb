"""Between what goes along the wires and what the core takes; the one place that knows both layouts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image as Picture
from torch import Tensor

from starflow_core.images import to_images

from .values import NOISE_OF, OF_MODEL, Conditioning, Image, Latent, Mask, Model


def image(pictures: Sequence[Picture.Image]) -> Image:
    """Pictures of one size as an IMAGE."""
    import numpy as np

    return torch.from_numpy(np.stack([np.asarray(picture, dtype=np.float32) / 255 for picture in pictures]))


def pictures(image: Image) -> list[Picture.Image]:
    """The pictures of an IMAGE."""
    return to_images(image[..., :3].movedim(-1, 1) * 2 - 1)


def mask(maps: Tensor, size: tuple[int, int]) -> Mask:
    """Maps (B, H', W') in [0, 1] as a MASK of `size` pixels, width and height, smoothly between the maps' places."""
    return torch.nn.functional.interpolate(maps[:, None], size=size[::-1], mode="bilinear", align_corners=False)[:, 0]


def latent(model: Model, x: Tensor) -> Latent:
    """Data of a flow (B, C, H, W) as a LATENT."""
    return {"samples": (x / _scale(model)).float().cpu()}


def data(model: Model, latent: Latent) -> Tensor:
    """A LATENT as data of a flow (B, C, H, W).

    Raises:
        ValueError: it is another model's, or noise.
    """
    samples = latent["samples"]
    if NOISE_OF in latent:
        raise ValueError("This latent is noise, made by STARFlow Invert; connect it to the noise of STARFlow Sampler.")
    _check_shape(model, samples)
    return samples * _scale(model)


def noise_latent(model: Model, z: Tensor) -> Latent:
    """A flow's noise (B, C, H, W) as a LATENT that says so."""
    return {"samples": z.float().cpu(), NOISE_OF: model.pipeline.name}


def noise(model: Model, latent: Latent) -> Tensor:
    """A LATENT of noise as the flow takes it.

    Raises:
        ValueError: it is no noise, or that of another model.
    """
    made_by = latent.get(NOISE_OF)
    if made_by is None:
        raise ValueError(
            "This latent is no noise of a flow; make one with STARFlow Invert, or leave noise unconnected."
        )
    if made_by != model.pipeline.name:
        raise ValueError(f"This noise is of the model {made_by}, and means nothing to {model.pipeline.name}.")
    _check_shape(model, latent["samples"])
    return latent["samples"]


def conditioning(features: Tensor, kind: str) -> Conditioning:
    """Features (1, L, D) or labels (1,) as a CONDITIONING; `kind` is whose they are."""
    return [[features.float().cpu() if features.is_floating_point() else features.cpu(), {OF_MODEL: kind}]]


def condition(model: Model, conditioning: Conditioning | None, batch: int) -> Tensor | None:
    """A CONDITIONING, or that of nothing in particular, as a flow takes it for a batch.

    Raises:
        ValueError: it was not made for this model.
    """
    config = model.pipeline.flow.config
    if conditioning is None:
        if config.txt_size:
            raise ValueError(
                f"{model.pipeline.name} needs the encoding of a prompt, if only of an empty one: connect STARFlow Text "
                "Encode."
            )
        return None
    if len(conditioning) != 1:
        raise ValueError(f"{len(conditioning)} conditionings are combined here; a flow takes one.")
    features, more = conditioning[0]
    wanted = "STARFlow Text Encode" if config.txt_size else "STARFlow Class Label"
    if OF_MODEL not in more:
        raise ValueError(f"This conditioning was made for another kind of model; use {wanted} instead.")
    fits = features.ndim == 3 and features.shape[-1] == config.txt_dim if config.txt_size else features.ndim == 1
    if not fits:
        raise ValueError(f"This conditioning was made for {more[OF_MODEL]}; use {wanted} of {model.pipeline.name}.")
    return features.expand(batch, *features.shape[1:])


def _scale(model: Model) -> float:
    autoencoder = model.pipeline.autoencoder
    return 1.0 if autoencoder is None else autoencoder.config.scaling_factor


def _check_shape(model: Model, samples: Tensor) -> None:
    channels = model.pipeline.flow.config.in_channels
    if samples.ndim != 4 or samples.shape[1] != channels:
        raise ValueError(
            f"This latent has shape {tuple(samples.shape)}; {model.pipeline.name} takes (B, {channels}, H, W). Encode "
            "the picture with STARFlow Encode and this model."
        )
