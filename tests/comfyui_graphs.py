"""Graphs of the nodes in the API's form, and what comes of them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from comfyui_server import ComfyUI, Graph, Run
from PIL import Image


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def sampler(**inputs: Any) -> dict[str, Any]:
    own = {
        **{"seed": 7, "guidance": -1.0, "aspect_ratio": "1:1", "width": 256, "height": 256, "batch_size": 1},
        **{"sampler": "jacobi", "tolerance": 0.01, "temperature": -1.0, "denoise": "default"},
    }
    return node("STARFlowSampler", **own | inputs)


def saved(number: str, name: str = "saved") -> dict[str, Any]:
    """Saves the pictures of a node's first output."""
    return node("SaveImage", images=[number, 0], filename_prefix=name)


def drawing(model: str = "starflow-mini", text: str = "red heart", **inputs: Any) -> Graph:
    """Text or class to a saved picture."""
    graph = {
        "1": node("STARFlowLoader", model=model, dtype="default", accept_licence=False),
        "4": sampler(model=["1", 0], positive=["2", 0], **inputs),
        "5": node("STARFlowDecode", model=["1", 0], latent=["4", 0]),
        "6": node("SaveImage", images=["5", 0], filename_prefix="drawn"),
    }
    if model.startswith("tarflow"):
        return graph | {"2": node("STARFlowClassLabel", model=["1", 0], name=text)}
    graph["4"]["inputs"]["negative"] = ["3", 0]
    return graph | {
        "2": node("STARFlowTextEncode", text_encoder=["1", 1], text=text),
        "3": node("STARFlowTextEncode", text_encoder=["1", 1], text=""),
    }


def picture(server: ComfyUI, run: Run, number: str) -> np.ndarray:
    """The first picture (H, W, 3) that a node saved."""
    assert run.status == "execution_success", run.error
    file = run.outputs[number]["images"][0]
    return np.asarray(Image.open(io.BytesIO(server.view(file))).convert("RGB"))
