"""Latents of other autoencoders, as a graph shows them."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.provenance import foreign_source


def kind(**inputs: str) -> Any:
    """A node's class, as ComfyUI has them: its inputs by their types."""
    declared = {"required": {name: (type,) for name, type in inputs.items()}}
    return type("Kind", (), {"INPUT_TYPES": classmethod(lambda cls: declared)})


CLASSES = {
    "STARFlowInvert": kind(model="STARFLOW_MODEL", latent="LATENT"),
    "STARFlowSampler": kind(model="STARFLOW_MODEL", noise="LATENT"),
    "VAELoader": kind(),
    "LoadLatent": kind(),
    "EmptySD3LatentImage": kind(),
    "VAEEncode": kind(pixels="IMAGE", vae="VAE"),
    "KSampler": kind(model="MODEL", latent_image="LATENT"),
    "LatentBlend": kind(samples1="LATENT", samples2="LATENT"),
    "Reroute": kind(any="*"),
}
GRAPH = {
    "loader": ("STARFlowLoader", {}),
    "other": ("VAELoader", {"vae_name": "sd3.safetensors"}),
    "wire": ("Reroute", {"any": ["loader", 2]}),
    "picture": ("LoadImage", {}),
    "ours": ("VAEEncode", {"pixels": ["picture", 0], "vae": ["loader", 2]}),
    "rerouted": ("VAEEncode", {"pixels": ["picture", 0], "vae": ["wire", 0]}),
    "foreign": ("VAEEncode", {"pixels": ["picture", 0], "vae": ["other", 0]}),
    "drawn": ("KSampler", {"model": ["checkpoint", 0], "latent_image": ["ours", 0], "steps": 20}),
    "checkpoint": ("CheckpointLoaderSimple", {}),
    "blend": ("LatentBlend", {"samples1": ["ours", 0], "samples2": ["rerouted", 0]}),
    "mixed": ("LatentBlend", {"samples1": ["ours", 0], "samples2": ["foreign", 0]}),
    "file": ("LoadLatent", {"latent": "x.latent"}),
    "own": ("STARFlowSampler", {"model": ["loader", 0]}),
    "again": ("LatentBlend", {"samples1": ["blend", 0], "samples2": ["blend", 0]}),
    "unknown": ("SomebodysNode", {"anything": ["blend", 0]}),
}


@pytest.mark.parametrize(
    ("latent", "source"),
    [
        *((name, None) for name in ("ours", "rerouted", "blend", "again", "file", "own", "unknown")),
        ("foreign", "VAEEncode"),
        ("mixed", "VAEEncode"),
        ("drawn", "KSampler"),
    ],
)
def test_source_of_a_latent(latent: str, source: str | None) -> None:
    graph = {name: {"class_type": type, "inputs": inputs} for name, (type, inputs) in GRAPH.items()}
    # Its other inputs have nothing to do with the latent.
    graph["me"] = {"class_type": "STARFlowInvert", "inputs": {"latent": [latent, 0], "model": ["checkpoint", 0]}}
    assert foreign_source("me", "latent", graph.__getitem__, CLASSES) == source
