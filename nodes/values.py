"""What goes along the wires, in ComfyUI's own layouts, so that its other nodes take it and make it.

IMAGE         (B, H, W, 3) float32 in [0, 1]
MASK          (B, H, W) float32 in [0, 1]
LATENT        {"samples": (B, C, H, W) float32, …}: latents as the autoencoder makes them, not scaled for the flow; of a
              flow of pictures, the pictures in [−1, 1]. Noise of a flow has its mark in two more channels
CONDITIONING  [[features (1, L, D), {…}], …]; of classes, labels (1,), with the model's name beside them
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from torch import Tensor

if TYPE_CHECKING:
    from starflow_core.pipeline import Pipeline

Image: TypeAlias = Tensor
Mask: TypeAlias = Tensor
Latent: TypeAlias = dict[str, Any]
Conditioning: TypeAlias = list[list[Any]]

OF_MODEL = "starflow_model"  # in a conditioning: the kind of features that it holds
NOISE_OF = "starflow_noise"  # in a latent: that it is a flow's noise, and of which model


@dataclass(frozen=True)
class Placed:
    """A part of a model, with what its host needs to move it, which nobody else looks into."""

    part: Any
    placement: Any = None


@dataclass(frozen=True)
class Model:
    """A flow, and what its pictures need to become data and back.

    Attributes:
        pipeline: with the flow, the autoencoder, the classes and the defaults, but no text encoder.
        flow: the pipeline's.
        autoencoder: the pipeline's; of a flow of pictures, nothing.
        text_encoder: reads the empty prompt, where no other is connected; None for a flow without text.
    """

    pipeline: Pipeline
    flow: Placed
    autoencoder: Placed
    text_encoder: Placed | None = None
