"""Models as ComfyUI holds them: in its dtypes, in its patchers, which it moves and lets go of."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import comfy.model_management as management
import comfy.ops
import torch
from comfy.cli_args import args
from comfy.model_patcher import ModelPatcher
from torch import nn

from starflow_core.pipeline import Pipeline
from starflow_core.progress import OnProgress
from starflow_core.weights.model_folder import load as load_pipeline
from starflow_core.weights.model_folder import model_folder, read_flow_config, size_of_weights

from .comfy_vae import StarFlowVae
from .values import Model, Placed

OWN = "default"


def load(name: str, dtype: str, on_progress: OnProgress) -> tuple[Model, Placed | None, Any]:
    """See `host.Host.load`; told of the bytes read, `on_progress` ends the loading by raising."""
    folder = model_folder(name)
    flow_dtype = None if dtype == OWN else getattr(torch, dtype)
    offload = management.unet_offload_device()
    pipeline = load_pipeline(
        folder,
        device=offload,
        dtype=flow_dtype or _dtype(folder),
        text_encoder_dtype=_text_encoder_dtype(),
        keep_text_encoder=True,
        operations=comfy.ops.manual_cast,
        on_progress=on_progress,
    )
    encoder = _placed_text_encoder(pipeline)
    flow = Placed(pipeline.flow, _patcher(pipeline.flow, management.get_torch_device(), offload))
    model = Model(pipeline, flow, _placed_autoencoder(pipeline), encoder)
    return model, encoder, StarFlowVae(model)


def _dtype(folder: Path) -> torch.dtype:
    """Of a flow, by ComfyUI's own policy and flags; of one of 8-bit pictures, whose steps bfloat16 blurs, float32."""
    if read_flow_config(folder).noise_std == 0:
        return torch.float32
    parameters = size_of_weights(folder) // torch.bfloat16.itemsize
    chosen = management.unet_dtype(model_params=parameters, supported_dtypes=[torch.bfloat16, torch.float32])
    return chosen if chosen in (torch.float16, torch.bfloat16) else torch.float32


def _text_encoder_dtype() -> torch.dtype | None:
    """That of ComfyUI's flags; None, the flow's, where there is none of them."""
    if args.fp8_e4m3fn_text_enc or args.fp8_e5m2_text_enc:
        logging.warning("STARFlow's text encoder does not compute with weights of 8 bits; it keeps its own dtype.")
        return None
    is_set = args.fp16_text_enc or args.bf16_text_enc or args.fp32_text_enc
    return management.text_encoder_dtype() if is_set else None


class _Holder(nn.Module):
    """A part in a module whose device ComfyUI may write down."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part
        self.device: torch.device | None = None


def _patcher(part: nn.Module, device: torch.device, offload_device: torch.device) -> ModelPatcher:
    return ModelPatcher(_Holder(part), device, offload_device)


def _placed_autoencoder(pipeline: Pipeline) -> Placed:
    """In float32, which likelihoods need, unless ComfyUI's flags say otherwise."""
    if pipeline.autoencoder is None:
        return Placed(None)
    device = management.vae_device()
    part = pipeline.autoencoder.to(management.vae_dtype(device))
    return Placed(part, _patcher(part, device, management.vae_offload_device()))


def _placed_text_encoder(pipeline: Pipeline) -> Placed | None:
    encoder = pipeline.text_encoder
    if encoder is None:
        return None
    return Placed(
        encoder,
        _patcher(encoder.model, management.text_encoder_device(), management.text_encoder_offload_device()),
    )
