"""Models in ComfyUI's memory management: its dtypes, its layers, and its patchers, which it moves and frees."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.model_management as management
import comfy.model_patcher
import comfy.ops
import torch
from comfy.cli_args import args
from torch import nn

from starflow_core.codecs.text_encoder import TextEncoder
from starflow_core.lora.adapter import Lora
from starflow_core.lora.apply import with_loras as changed
from starflow_core.pipeline import Pipeline
from starflow_core.progress import OnProgress
from starflow_core.quantization.formats import FORMATS
from starflow_core.weights.model_folder import load as load_pipeline
from starflow_core.weights.model_folder import model_folder, read_flow_config, size_of_weights

from .comfy_vae import StarFlowVae
from .values import Model, Placed

OWN = "default"
COMPUTING = [torch.bfloat16, torch.float32]  # dtypes for a flow's computation
TEXT_DTYPES = {"fp16_text_enc": torch.float16, "bf16_text_enc": torch.bfloat16, "fp32_text_enc": torch.float32}
FLOAT8 = ("fp8_e4m3fn_text_enc", "fp8_e5m2_text_enc")


def load(name: str, dtype: str, on_progress: OnProgress) -> tuple[Model, Placed | None, Any]:
    """See `host.Host.load`; `on_progress` gets the bytes read, and ends the loading by raising."""
    folder = model_folder(name)
    stored = _dtype(folder) if dtype in (OWN, *FORMATS) else getattr(torch, dtype)
    computing = management.unet_manual_cast(stored, management.get_torch_device(), COMPUTING) or stored
    pipeline = load_pipeline(
        folder,
        device=management.unet_offload_device(),
        dtype={
            "flow": dtype if dtype in FORMATS else stored,
            "text_encoder": _text_dtype(computing),
            "autoencoder": management.vae_dtype(),
        },
        keep_text_encoder=True,
        operations=comfy.ops.manual_cast,
        on_progress=on_progress,
    )
    pipeline.flow.dtype = computing
    flow = _placed(pipeline.flow, management.get_torch_device(), management.unet_offload_device())
    encoder = _placed_text_encoder(pipeline)
    model = Model(pipeline, flow, _placed_autoencoder(pipeline), encoder)
    return model, encoder, StarFlowVae(model, bring)


def with_loras(model: Model, loras: Sequence[tuple[Lora, float]]) -> Model:
    """See `host.Host.with_loras`; the flow with them is a part of its own, which ComfyUI moves and frees."""
    pipeline = changed(model.pipeline, loras, operations=comfy.ops.manual_cast)
    flow = _placed(pipeline.flow, management.get_torch_device(), management.unet_offload_device())
    return replace(model, pipeline=pipeline, flow=flow)


def bring(placed: Placed, memory: int) -> int:
    """Move a part to its device, with this many bytes free beside it; return the free bytes, which may be fewer.

    ComfyUI may leave layers of a large part elsewhere, and moves each at use.
    """
    patcher = placed.placement
    management.load_models_gpu([patcher], memory_required=memory)
    for module in patcher.model.modules():
        if not hasattr(module, "comfy_cast_weights") and not list(module.children()):
            module.to(patcher.load_device)  # small, and of another library, which moves no layer at use
    placed.part.device = patcher.load_device
    free: int = getattr(patcher, "get_free_memory", management.get_free_memory)(patcher.load_device)
    return free


def _dtype(folder: Path) -> torch.dtype:
    """The dtype of a flow's weights by ComfyUI's flags; float32 for 8-bit pictures, whose steps bfloat16 blurs."""
    if read_flow_config(folder).noise_std == 0:
        return torch.float32
    parameters = size_of_weights(folder) // torch.bfloat16.itemsize
    chosen: torch.dtype = management.unet_dtype(model_params=parameters, supported_dtypes=COMPUTING)
    return chosen


def _text_dtype(flow: torch.dtype) -> torch.dtype:
    """The dtype of a text encoder by ComfyUI's flags, or else its flow's, which was trained on such features."""
    if any(getattr(args, flag, False) for flag in FLOAT8):
        logging.warning("STARFlow's text encoder does not compute with weights of 8 bits; it keeps its own dtype.")
    asked = [dtype for flag, dtype in TEXT_DTYPES.items() if getattr(args, flag, False)]
    return asked[0] if asked else flow


class _Holder(nn.Module):
    """A module around a part; ComfyUI may set its `device`."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part
        self.device: torch.device | None = None


def _placed(part: Any, load_device: torch.device, offload_device: torch.device) -> Placed:
    module = part.model if isinstance(part, TextEncoder) else part
    # Newer versions choose their own kind of patcher, which shares memory between all models.
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return Placed(part, patcher(_Holder(module.to(offload_device)), load_device, offload_device))


def _placed_autoencoder(pipeline: Pipeline) -> Placed:
    if pipeline.autoencoder is None:
        return Placed(None)
    return _placed(pipeline.autoencoder, management.vae_device(), management.vae_offload_device())


def _placed_text_encoder(pipeline: Pipeline) -> Placed | None:
    if pipeline.text_encoder is None:
        return None
    offload_device = management.text_encoder_offload_device()
    return _placed(pipeline.text_encoder, management.text_encoder_device(), offload_device)
