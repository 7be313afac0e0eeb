"""Run by a ComfyUI's own Python in its checkout, with ComfyUI's flags: what the pack does with ComfyUI's own objects.

Prints, as JSON: the seconds that the pack adds to the start; what stays alive after unloading; which nodes end when the
person cancels; and the dtypes and devices of a model's parts.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import itertools
import json
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))
sys.argv = ["main.py", "--cpu", *sys.argv[1:]]

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

# What ComfyUI has imported when it comes to the packs; its own `utils` first, before another module of this name.
import utils.extra_config  # noqa: E402, F401, I001
import comfy.latent_formats  # noqa: E402
import comfy.model_management  # noqa: E402
import comfy.model_patcher  # noqa: E402
import comfy.ops  # noqa: E402
import comfy.utils  # noqa: E402
import comfy_api.latest  # noqa: E402, F401
import folder_paths  # noqa: E402, F401
import latent_preview  # noqa: E402, F401
import server  # noqa: E402, F401
import torch  # noqa: E402

PACK = Path(__file__).resolve().parent.parent


def start() -> tuple[float, dict[str, Any]]:
    """Seconds that the pack adds to ComfyUI's start, and its nodes by id."""
    begun = time.perf_counter()
    spec = importlib.util.spec_from_file_location("pack", PACK / "__init__.py", submodule_search_locations=[str(PACK)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules["pack"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    nodes = asyncio.run(asyncio.run(module.comfy_entrypoint()).get_node_list())
    return time.perf_counter() - begun, {node.GET_SCHEMA().node_id: node for node in nodes}


def alive_after_unloading(nodes: dict[str, Any]) -> list[str]:
    """Which parts of a model live on when a picture was drawn, ComfyUI unloaded its models, and the graph is gone."""
    loader, sampler = nodes["STARFlowLoader"], nodes["STARFlowSampler"]
    model, encoder, vae = loader.execute(**settings(loader)).args
    text = nodes["STARFlowTextEncode"].execute(text_encoder=encoder, text="red heart").args[0]
    sampler.execute(model=model, positive=text, negative=text, **settings(sampler))
    parts = {"flow": model.flow.part, "autoencoder": model.autoencoder.part, "text encoder": encoder.part.model}
    references = {name: weakref.ref(part) for name, part in parts.items()} | {"vae": weakref.ref(vae)}
    del model, encoder, vae, text, parts
    comfy.model_management.unload_all_models()
    comfy.model_management.cleanup_models_gc()
    gc.collect()
    return [name for name, reference in references.items() if reference() is not None]


def after_cancelling(nodes: dict[str, Any]) -> dict[str, list[int]]:
    """By node: how often it still tells how far it is, and how many layers it still computes, after a cancel.

    The person cancels when the node tells of its first step, or, beneath "… layer", in its first layer.
    """
    loader = nodes["STARFlowLoader"]
    model, encoder, vae = loader.execute(**settings(loader)).args
    images, normal = torch.rand(3, 64, 64, 3), torch.rand(8, 64, 64, 3)
    scorer = nodes["STARFlowAnomalyFit"].execute(model=model, image=normal, draws=1).args[0]
    latent = nodes["STARFlowEncode"].execute(model=model, image=images).args[0]
    works: dict[str, Callable[[], Any]] = {
        "Loader": lambda: loader.execute(**settings(loader)),
        "TextEncode": lambda: nodes["STARFlowTextEncode"].execute(text_encoder=encoder, text=f"{next(COUNT)} words"),
        "Encode": lambda: nodes["STARFlowEncode"].execute(model=model, image=images),
        "Decode": lambda: nodes["STARFlowDecode"].execute(model=model, latent=latent),
        "Invert": lambda: nodes["STARFlowInvert"].execute(model=model, latent=latent),
        "Likelihood": lambda: nodes["STARFlowLikelihood"].execute(model=model, latent=latent, draws=256),
        "Sampler": lambda: nodes["STARFlowSampler"].execute(model=model, **settings(nodes["STARFlowSampler"])),
        "Match": lambda: nodes["STARFlowMatch"].execute(model=model, image=images, prompts="a heart\na cat", draws=64),
        "PickLikeliest": lambda: nodes["STARFlowPickLikeliest"].execute(model=model, image=images, draws=64),
        "Confidence": lambda: nodes["STARFlowConfidence"].execute(model=model, image=images, draws=64),
        "AnomalyFit": lambda: nodes["STARFlowAnomalyFit"].execute(model=model, image=normal),
        "AnomalyScore": lambda: nodes["STARFlowAnomalyScore"].execute(anomaly=scorer, image=images),
        "VAEEncode": lambda: vae.encode(images),
        "VAEDecode": lambda: vae.decode(latent["samples"]),
    }
    layers = [
        layer
        for part in (model.flow.part, model.autoencoder.part, encoder.part.model)
        for group in part.modules()
        if isinstance(group, torch.nn.ModuleList)
        for layer in group
    ]
    found = {name: until_cancelled(work, layers, in_layer=False) for name, work in works.items()}
    del works["Loader"]  # which computes nothing
    return found | {f"{name} layer": until_cancelled(work, layers, in_layer=True) for name, work in works.items()}


def until_cancelled(work: Callable[[], Any], layers: list[Any], *, in_layer: bool) -> list[int]:
    """Steps told and layers computed after the cancel; [-1, -1] where the work goes on to its end."""
    told = computed = 0
    cancelled = False

    def cancel() -> None:
        nonlocal cancelled, told, computed
        if not cancelled:
            cancelled, told, computed = True, 0, 0
            comfy.model_management.interrupt_current_processing()

    def on_progress(*step: Any, **more: Any) -> None:  # as ComfyUI's own hook does
        nonlocal told
        comfy.model_management.throw_exception_if_processing_interrupted()
        told += 1
        if not in_layer:
            cancel()

    def on_layer(*layer: Any) -> None:
        nonlocal computed
        computed += 1
        if in_layer:
            cancel()

    comfy.utils.set_progress_bar_global_hook(on_progress)
    hooks = [layer.register_forward_hook(on_layer) for layer in layers]
    try:
        work()
    except comfy.model_management.InterruptProcessingException:
        return [told, computed]
    finally:
        comfy.model_management.interrupt_current_processing(False)
        comfy.utils.set_progress_bar_global_hook(None)
        for hook in hooks:
            hook.remove()
    return [-1, -1]


COUNT = itertools.count()


def parts(nodes: dict[str, Any]) -> dict[str, list[str]]:
    """Dtype, device to compute on and device to wait on of each part, on a machine with a device that is no CPU."""
    comfy.model_management.get_torch_device = lambda: torch.device("meta")
    loader = nodes["STARFlowLoader"]
    model, encoder, _ = loader.execute(**settings(loader)).args
    placed = {
        "flow": (model.flow.part, model.flow),
        "autoencoder": (model.autoencoder.part, model.autoencoder),
        "text encoder": (encoder.part.model, encoder),
    }
    return {
        name: [
            str(next(part.parameters()).dtype),
            str(where.placement.load_device),
            str(where.placement.offload_device),
        ]
        for name, (part, where) in placed.items()
    }


def settings(node: Any) -> dict[str, Any]:
    """The defaults of a node's widgets."""
    return {
        given.id: given.default for given in node.GET_SCHEMA().inputs if getattr(given, "default", None) is not None
    }


if __name__ == "__main__":
    seconds, found = start()
    alive = alive_after_unloading(found)
    print(
        json.dumps(
            {"seconds": seconds, "alive": alive, "after cancelling": after_cancelling(found), "parts": parts(found)}
        )
    )
