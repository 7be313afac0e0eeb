"""Models as ComfyUI holds them: in its dtypes, in its patchers, which it moves and lets go of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.model_management as management
import comfy.ops
import torch
from comfy.model_patcher import ModelPatcher
from torch import nn

from starflow_core.pipeline import Pipeline
from starflow_core.weights.model_folder import load as load_pipeline
from starflow_core.weights.model_folder import model_folder, read_flow_config, size_of_weights

from .comfy_vae import StarFlowVae
from .values import Model, Placed

OWN = "default"


def load(name: str, dtype: str) -> tuple[Model, Placed | None, Any]:
    """See `host.Host.load`."""
    folder = model_folder(name)
    flow_dtype = None if dtype == OWN else getattr(torch, dtype)
    pipeline = load_pipeline(
        folder,
        device=management.unet_offload_device(),
        dtype=flow_dtype or _dtype(folder),
        keep_text_encoder=True,
        operations=comfy.ops.manual_cast,
    )
    model = Model(pipeline, _placed(pipeline.flow), _placed_autoencoder(pipeline))
    encoder = None
    if pipeline.text_encoder is not None:
        encoder = Placed(pipeline.text_encoder, _patcher(pipeline.text_encoder.model))
    return model, encoder, StarFlowVae(model)


def _dtype(folder: Path) -> torch.dtype:
    """Of a flow, by ComfyUI's own policy and flags; of one of 8-bit pictures, whose steps bfloat16 blurs, float32."""
    if read_flow_config(folder).noise_std == 0:
        return torch.float32
    parameters = size_of_weights(folder) // torch.bfloat16.itemsize
    chosen = management.unet_dtype(model_params=parameters, supported_dtypes=[torch.bfloat16, torch.float32])
    return chosen if chosen in (torch.float16, torch.bfloat16) else torch.float32


class _Holder(nn.Module):
    """A part in a module whose device ComfyUI may write down."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part
        self.device: torch.device | None = None


def _patcher(part: nn.Module) -> ModelPatcher:
    return ModelPatcher(_Holder(part), management.get_torch_device(), management.unet_offload_device())


def _placed(part: nn.Module) -> Placed:
    return Placed(part, _patcher(part))


def _placed_autoencoder(pipeline: Pipeline) -> Placed:
    return Placed(None) if pipeline.autoencoder is None else _placed(pipeline.autoencoder)
