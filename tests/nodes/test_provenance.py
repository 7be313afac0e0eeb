"""Latents of other autoencoders, as a graph shows them."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.provenance import foreign_source


def kind(**inputs: str) -> Any:
    """A node's class, as ComfyUI has them: its inputs by their types."""
    declared: dict[str, dict[str, tuple[str]]] = {"required": {}, "optional": {}}
    for name, type_ in inputs.items():
        declared["optional" if name.startswith("optional") else "required"][name] = (type_,)
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
    "Inpaint": kind(optional_vae="VAE"),
}
GRAPH: dict[str, tuple[str, dict[str, Any]]] = {
    "loader": ("STARFlowLoader", {}),
    "other": ("VAELoader", {"vae_name": "sd3.safetensors"}),
    "wire": ("Reroute", {"any": ["loader", 2]}),
    "picture": ("LoadImage", {}),
    "ours": ("VAEEncode", {"pixels": ["picture", 0], "vae": ["loader", 2]}),
    "rerouted": ("VAEEncode", {"pixels": ["picture", 0], "vae": ["wire", 0]}),
    "longer": ("Reroute", {"any": ["wire", 0]}),
    "rerouted twice": ("VAEEncode", {"pixels": ["picture", 0], "vae": ["longer", 0]}),
    "optional": ("Inpaint", {"optional_vae": ["other", 0]}),
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


def nodes_of(graph: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    return {name: {"class_type": type, "inputs": inputs} for name, (type, inputs) in graph.items()}


@pytest.mark.parametrize(
    ("latent", "source"),
    [
        *((name, None) for name in ("ours", "rerouted", "rerouted twice", "blend", "again", "file", "own", "unknown")),
        ("foreign", "VAEEncode"),
        ("mixed", "VAEEncode"),
        ("optional", "Inpaint"),
        ("drawn", "KSampler"),
    ],
)
def test_source_of_a_latent(latent: str, source: str | None) -> None:
    graph = nodes_of(GRAPH)
    # Its other inputs have nothing to do with the latent.
    graph["me"] = {"class_type": "STARFlowInvert", "inputs": {"latent": [latent, 0], "model": ["checkpoint", 0]}}
    assert foreign_source("me", "latent", graph.__getitem__, CLASSES) == source


def test_each_latent_has_its_own_source() -> None:
    both = ("LatentBlend", {"samples1": ["ours", 0], "samples2": ["foreign", 0]})
    graph = nodes_of(GRAPH | {"me": both})
    assert foreign_source("me", "samples1", graph.__getitem__, CLASSES) is None
    assert foreign_source("me", "samples2", graph.__getitem__, CLASSES) == "VAEEncode"


def test_graph_that_branches_and_joins_is_read_once() -> None:
    graph: dict[str, tuple[str, dict[str, Any]]] = {"0": ("LoadLatent", {})}
    for i in range(1, 13):
        graph[str(i)] = ("LatentBlend", {"samples1": [str(i - 1), 0], "samples2": [str(i - 1), 0]})
    graph["me"] = ("STARFlowInvert", {"latent": ["12", 0]})
    nodes, asked = nodes_of(graph), list[str]()

    def node_of(name: str) -> Any:
        asked.append(name)
        return nodes[name]

    assert foreign_source("me", "latent", node_of, CLASSES) is None
    assert len(asked) < 5 * len(graph)
