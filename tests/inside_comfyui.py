"""Run by a ComfyUI's own Python in its checkout: the pack's start-up time, and what stays alive after unloading."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import sys
import time
import weakref
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))
sys.argv = ["main.py", "--cpu"]

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

# What ComfyUI has imported when it comes to the packs.
import comfy.latent_formats  # noqa: E402
import comfy.model_management  # noqa: E402
import comfy.model_patcher  # noqa: E402
import comfy.ops  # noqa: E402
import comfy.utils  # noqa: E402
import comfy_api.latest  # noqa: E402, F401
import folder_paths  # noqa: E402, F401
import latent_preview  # noqa: E402, F401

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


def settings(node: Any) -> dict[str, Any]:
    """The defaults of a node's widgets."""
    return {
        given.id: given.default for given in node.GET_SCHEMA().inputs if getattr(given, "default", None) is not None
    }


if __name__ == "__main__":
    seconds, found = start()
    print(json.dumps({"seconds": seconds, "alive": alive_after_unloading(found)}))
