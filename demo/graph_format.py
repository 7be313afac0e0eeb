"""Conversion of the ComfyUI pack's example graphs to the format that `gr.Workflow` reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from nodes import convert
from nodes.catalogue import NODES
from nodes.declaration import (
    FLOAT,
    IMAGE,
    LATENT,
    MASK,
    VAE,
    Choice,
    Flag,
    Input,
    Node,
    Number,
    Output,
    Seed,
    Socket,
    Text,
)
from nodes.values import Image, Latent, Mask
from starflow_core.images import to_images

WORKFLOWS = Path(__file__).parent.parent / "workflows"
MUTED = 2  # the mode of a muted node, in ComfyUI
NOTES = ("MarkdownNote", "Note")
CHANNELS = ("red", "green", "blue")
# ComfyUI's nodes that show a value, with the kind of the value in a `gr.Workflow`.
SHOWN = {"SaveImage": "image", "SaveAnimatedWEBP": "image", "PreviewImage": "image", "PreviewAny": "text"}

Json = dict[str, Any]


def names() -> list[str]:
    """Return the names of the example graphs."""
    return sorted(path.stem for path in WORKFLOWS.glob("*.json"))


def converted(saved: Json, name: str) -> Json:
    """Convert a graph from ComfyUI's format to that of `gr.Workflow`.

    Nodes become operators. Nodes that load pictures become references, and those that save or show something become
    subjects. Muted nodes and notes are left out.
    """
    graph: Json = {"schema_version": "2", "name": name, "references": [], "operators": [], "subjects": [], "edges": []}
    nodes = (node for node in saved["nodes"] if node["type"] not in NOTES)
    kept = {node["id"]: node for node in nodes if node.get("mode") != MUTED}
    for node in kept.values():
        kind = node["type"]
        if kind == "LoadImage":
            graph["references"].append(_asset(node, "reference", "image"))
        elif kind in SHOWN:
            graph["subjects"].append(_asset(node, "subject", SHOWN[kind]))
        else:
            operator = _operator(node)
            graph["operators"].append(operator)
            _add_words(graph, operator)
    for link, source, source_slot, target, target_slot, _ in saved["links"]:
        if source in kept and target in kept:
            slot = kept[target]["inputs"][target_slot]["name"]
            graph["edges"].append(
                {
                    "id": f"link{link}",
                    "from_node_id": str(source),
                    "from_port_id": "out" if kept[source]["type"] == "LoadImage" else f"out_{source_slot}",
                    "to_node_id": str(target),
                    "to_port_id": "in" if kept[target]["type"] in SHOWN else slot,
                    "type": _made_type(kept[source], source_slot),
                }
            )
    return graph


def _add_words(graph: Json, operator: Json) -> None:
    """Add a reference for each text input of an operator, since Gradio shows references as fields."""
    for given in ours(operator["fn"]).inputs:
        if isinstance(given.field, Text):
            name = f"{operator['id']}_{given.name}"
            ports = {
                "inputs": [{"id": "in", "label": given.label, "type": "text"}],
                "outputs": [{"id": "out", "label": given.label, "type": "text"}],
            }
            label = f"{given.label}, of {operator['label']}"
            data = {"out": operator["data"].pop(given.name, "")}
            graph["references"].append(
                {"id": name, "role": "reference", "label": label, "asset_type": "text", **ports, "data": data}
            )
            graph["edges"].append(
                {
                    "id": name,
                    "from_node_id": name,
                    "from_port_id": "out",
                    "to_node_id": operator["id"],
                    "to_port_id": given.name,
                    "type": "text",
                }
            )


def _asset(node: Json, role: str, type: str) -> Json:
    what = "picture" if type == "image" else type
    ports = {
        "inputs": [{"id": "in", "label": what, "type": type}],
        "outputs": [{"id": "out", "label": what, "type": type}],
    }
    label = node.get("title") or {"reference": "A picture of yours", "subject": what.capitalize()}[role]
    return {"id": str(node["id"]), "role": role, "label": label, "asset_type": type, **ports, "data": {}}


def _operator(node: Json) -> Json:
    declared = ours(node["type"])
    title = node.get("title") or declared.title
    inputs = [
        {"id": given.name, "label": given.label, "type": _input_type(given), "required": given.is_required}
        for given in declared.inputs
    ]
    outputs = [
        {"id": f"out_{i}", "label": output.name, "type": _output_type(output), "output_index": i}
        for i, output in enumerate(declared.outputs)
    ]
    data = _filled_in(declared, node.get("widgets_values") or [])
    made = {"id": str(node["id"]), "role": "operator", "kind": "fn", "fn": declared.id, "label": title}
    return {**made, "inputs": inputs, "outputs": outputs, "data": data}


def _filled_in(node: Node, values: Sequence[Any]) -> Json:
    """Return the values of a saved node's fields by name; ComfyUI saves only the values, in order."""
    left = iter(values)
    data: Json = {}
    for given in node.inputs:
        if not isinstance(given.field, Socket):
            data[given.name] = next(left, given.default)  # newer fields have no saved value
            if isinstance(given.field, Seed):
                next(left, None)  # ComfyUI's own field, which changes the seed after a run
    return data


def ours(type: str) -> Node:
    """Return the node of a type: a node of the pack, or the replacement of one of ComfyUI's own nodes.

    Raises:
        ValueError: there is no such node.
    """
    for node in (*NODES, *NATIVE):
        if node.id == type:
            return node
    raise ValueError(f"The graph has a node {type}, which there is only in ComfyUI.")


def _decoded(host: Any, samples: Latent, vae: Any) -> Image:
    if vae is None:  # a flow on pixels: its latents are the pictures
        return convert.image(to_images(convert.samples(samples)))
    scaled = convert.samples(samples).to(vae.device) * vae.config.scaling_factor
    return convert.image([to_images(vae.decode(one[None]))[0] for one in scaled])


def _as_picture(host: Any, mask: Mask) -> Image:
    return mask[..., None].expand(*mask.shape, 3)


def _as_mask(host: Any, image: Image, channel: str) -> Mask:
    return image[..., CHANNELS.index(channel)]


def _plain(host: Any, width: int, height: int, batch_size: int, color: int) -> Image:
    rgb = torch.tensor([color >> 16 & 255, color >> 8 & 255, color & 255]) / 255
    return rgb.expand(batch_size, height, width, 3)


def _put_in(host: Any, destination: Image, source: Image, x: int, y: int) -> Image:
    image = destination.clone()
    part = image[:, y : y + source.shape[1], x : x + source.shape[2]]
    part[:] = source[:, : part.shape[1], : part.shape[2]]
    return image


# Replacements of ComfyUI's own nodes in the example graphs, for the values that pass between nodes here.
NATIVE = (
    Node(
        "VAEDecode",
        "VAE Decode",
        "Turns latents into pictures, as STARFlow Decode does.",
        (Input("samples", Socket("from STARFlow Sampler", LATENT)), Input("vae", Socket("from STARFlow Loader", VAE))),
        (Output("image", IMAGE),),
        _decoded,
    ),
    Node(
        "MaskToImage",
        "Convert Mask to Image",
        "Shows a mask as a picture.",
        (Input("mask", Socket("such as that of STARFlow Likelihood", MASK)),),
        (Output("image", IMAGE),),
        _as_picture,
    ),
    Node(
        "ImageToMask",
        "Convert Image to Mask",
        "Takes a channel of a picture as a mask.",
        (
            Input("image", Socket("a picture", IMAGE)),
            Input("channel", Choice("which becomes the mask", CHANNELS), CHANNELS[0]),
        ),
        (Output("mask", MASK),),
        _as_mask,
    ),
    Node(
        "EmptyImage",
        "Empty Image",
        "A picture of one colour.",
        (
            *(Input(name, Number("in pixels", 1, 16384, 1), 512) for name in ("width", "height")),
            Input("batch_size", Number("pictures at once", 1, 4096, 1), 1),
            Input("color", Number("red, green and blue as one number, of 8 bits each", 0, 0xFFFFFF, 1), 0),
        ),
        (Output("image", IMAGE),),
        _plain,
    ),
    Node(
        "ImageCompositeMasked",
        "Put a Picture in Another",
        "Puts a picture into another one, at a place.",
        (
            Input("destination", Socket("the other", IMAGE)),
            Input("source", Socket("what is put in", IMAGE)),
            *(Input(name, Number("in pixels, from the upper left", 0, 16384, 1), 0) for name in ("x", "y")),
        ),
        (Output("image", IMAGE),),
        _put_in,
    ),
)


def _input_type(given: Input) -> str:
    field = given.field
    if isinstance(field, Socket):
        return _port_type(field.type)
    return "number" if isinstance(field, (Number, Seed)) else "boolean" if isinstance(field, Flag) else "text"


def _output_type(output: Output) -> str:
    return "text" if output.is_list and output.type not in (IMAGE, MASK) else _port_type(output.type)


def _made_type(node: Json, slot: int) -> str:
    """Return Gradio's name for the type of what a saved node makes."""
    return "image" if node["type"] == "LoadImage" else _output_type(ours(node["type"]).outputs[slot])


def _port_type(type: str) -> str:
    """Return Gradio's name for a type; handles are text."""
    return "image" if type in (IMAGE, MASK) else "number" if type == FLOAT else "text"
