"""What starflow-3b is made of, on a server of the tests: small, in the published format."""

from __future__ import annotations

from pathlib import Path

import torch

from starflow_core.flow.config import StarFlowConfig
from starflow_core.flow.starflow import StarFlow
from starflow_core.weights.model_folder import EMBEDDED, load

MINI = EMBEDDED / "starflow-mini"
T5, VAE = "Kijai/flan-t5-xl-encoder-only-bf16", "stabilityai/sd-vae-ft-ema"


def published_files(folder: Path) -> dict[str, bytes]:
    """The repositories of starflow-3b, with a small flow, and text encoder and autoencoder of the embedded model.

    Args:
        folder: to work in.
    """
    mini = load("starflow-mini", device="cpu").flow.config
    config = StarFlowConfig(mini.in_channels, 8, 64, 2, (1, 2), txt_size=128, txt_dim=mini.txt_dim, soft_clip=4.0)
    torch.manual_seed(0)
    flow = StarFlow(config)
    tensors = {f"module.{name}": tensor for name, tensor in flow.state_dict().items()}
    tensors |= {"module.var": torch.ones(64, config.in_channels)}
    file = folder / "flow.pth"
    torch.save(tensors, file)
    files = {"apple/starflow/starflow_3B_t2i_256x256.pth": file.read_bytes()}
    for name in ("model.safetensors", "config.json"):
        files[f"{T5}/{name}"] = (MINI / "text_encoder" / name).read_bytes()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        files[f"{T5}/{name}"] = (MINI / "tokenizer" / name).read_bytes()
    files[f"{T5}/special_tokens_map.json"] = b"{}"
    for name in ("diffusion_pytorch_model.safetensors", "config.json"):
        files[f"{VAE}/{name}"] = (MINI / "vae" / name).read_bytes()
    return files
