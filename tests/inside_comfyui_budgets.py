"""Run by a ComfyUI's own Python in its checkout: a model that ComfyUI brings to a second device in part only.

ComfyUI's own patchers load ever more of the flow, the text encoder and the autoencoder, while all is computed on the
second device. With the argument `lazy`, layers are made without weights, as with dynamic VRAM.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path.cwd()), str(Path(__file__).parent)]
IS_LAZY = "lazy" in sys.argv
sys.argv = ["main.py", "--cpu"]

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy.model_management as management  # noqa: E402
import torch  # noqa: E402
from inside_comfyui import settings, start  # noqa: E402
from second_device import DEVICE, SecondDevice, There  # noqa: E402

SHARES = (0.0, 0.1, 0.5, 0.9, 1.0)  # of each part's weights that fit; ComfyUI loads nothing less for 0
SMALL = {"aspect_ratio": "width and height", "width": 16, "height": 16, "sampler": "sequential", "denoise": "on"}


def on_the_second_device() -> None:
    """Have ComfyUI take the second device for its GPU, and the CPU for where models wait."""
    here = torch.device("cpu")
    for name in ("get_torch_device", "vae_device", "text_encoder_device"):
        setattr(management, name, lambda: DEVICE)
    for name in ("unet_offload_device", "vae_offload_device", "text_encoder_offload_device"):
        setattr(management, name, lambda: here)
    management.get_free_memory = lambda *args, **kwargs: 2**40
    management.unet_manual_cast = lambda *args, **kwargs: None


def load_in_part(share: float) -> None:
    """Have ComfyUI load a share of a model where it is asked to load one."""

    def load_models_gpu(patchers: list[Any], **options: Any) -> None:
        for patcher in patchers:
            patcher.unpatch_model(patcher.offload_device)
            budget = 0.1 if share == 0 else share * patcher.model_size()
            patcher.patch_model(patcher.load_device, lowvram_model_memory=0 if share == 1 else budget)

    management.load_models_gpu = load_models_gpu


def computed(nodes: dict[str, Any], loaded: tuple[Any, Any, Any]) -> dict[str, torch.Tensor]:
    """What the nodes give, and ComfyUI's own way of the VAE."""
    model, encoder, vae = loaded

    def run(name: str, **given: Any) -> Any:
        node = nodes[f"STARFlow{name}"]
        return node.execute(**(settings(node) | given)).args

    text = run("TextEncode", text_encoder=encoder, text="red heart")[0]
    encoder.part._remembered.clear()
    latent = run("Sampler", model=model, positive=text, negative=text, guidance=1.5, seed=3, **SMALL)[0]
    noise = run("Invert", model=model, latent=latent, conditioning=text)[0]
    likelihood = run("Likelihood", model=model, latent=latent, conditioning=text, draws=1, seed=1)
    pixels = vae.decode(latent["samples"])
    return {
        "text": text[0][0],
        "latent": latent["samples"],
        "noise": noise["samples"],
        "log_prob": torch.tensor(likelihood[0]),
        "pixels": pixels,
        "encoded": vae.encode(pixels),
    }


def where(loaded: tuple[Any, Any, Any]) -> float:
    """The share of the flow's weights that is on the second device."""
    weights = list(loaded[0].flow.part.state_dict().values())
    there = sum(weight.numel() for weight in weights if isinstance(weight, There))
    return there / sum(weight.numel() for weight in weights)


if __name__ == "__main__":
    _, nodes = start()
    loader = nodes["STARFlowLoader"]
    if IS_LAZY:
        import comfy.memory_management

        comfy.memory_management.aimdo_enabled = True
    report: dict[str, Any] = {"shares": [], "errors": {}}
    expected = computed(nodes, loader.execute(**settings(loader)).args)
    on_the_second_device()
    with SecondDevice():
        loaded = loader.execute(**settings(loader)).args
        for share in SHARES:
            load_in_part(share)
            results = computed(nodes, loaded)
            report["shares"].append(where(loaded))
            for name, tensor in results.items():
                error = (tensor.cpu() - expected[name]).abs().max() / expected[name].abs().max()
                report["errors"].setdefault(name, []).append(float(error))
    report["devices"] = [str(part.device) for part in (loaded[0].flow.part, loaded[0].autoencoder.part, loaded[1].part)]
    print(json.dumps(report))
