"""The values on the wires, in ComfyUI's own layouts, so that its other nodes connect.

IMAGE         (B, H, W, 3) float32 in [0, 1]
MASK          (B, H, W) float32 in [0, 1]
LATENT        {"samples": (B, C, H, W) float32, …}: the autoencoder's latents, not scaled for the flow; for a flow
              of pictures, the pictures in [−1, 1]. Noise of a flow has its mark in two more channels
CONDITIONING  [[features (1, L, D), {…}], …]; for classes, labels (1,), with the model's name
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from torch import Tensor

if TYPE_CHECKING:
    from starflow_core.insight.anomaly import Anomaly
    from starflow_core.pipeline import Pipeline

Image: TypeAlias = Tensor
Mask: TypeAlias = Tensor
Latent: TypeAlias = dict[str, Any]
Conditioning: TypeAlias = list[list[Any]]

OF_MODEL = "starflow_model"  # in a conditioning: the kind of its features
PROMPT = "starflow_prompt"  # in a conditioning: the prompt of its features, and their checksum
NOISE_OF = "starflow_noise"  # in a latent: marks a flow's noise, and names its model


@dataclass(frozen=True)
class Placed:
    """A part of a model, with its host's own handle to move it."""

    part: Any
    placement: Any = None


@dataclass(frozen=True)
class Model:
    """A flow with its autoencoder and text encoder.

    Attributes:
        pipeline: holds the flow, the autoencoder, the classes and the defaults, but no text encoder.
        flow: the pipeline's.
        autoencoder: the pipeline's; None for a flow of pictures.
        text_encoder: encodes the empty prompt if no other is connected; None for a flow without text.
    """

    pipeline: Pipeline
    flow: Placed
    autoencoder: Placed
    text_encoder: Placed | None = None


@dataclass(frozen=True)
class Scorer:
    """What was learnt of normal pictures, with the model that it was learnt with."""

    model: Model
    anomaly: Anomaly
