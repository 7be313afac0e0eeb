"""The example graphs of the ComfyUI pack as a node graph in the browser: `python -m demo.graph likelihood`.

Gradio's `gr.Workflow` (in beta) draws and runs the graph; the functions behind it are the nodes, and models and latents
go along its wires as handles. It is for one person at their own machine: it listens on loopback only, and
keeps its files in a temporary folder of its own, since `gr.Workflow` lets the browser read all of the system's.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import urllib.parse
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image as Picture

from nodes import convert
from nodes.catalogue import NODES
from nodes.declaration import FLOAT, IMAGE, LATENT, MASK, VAE, Flag, Input, Node, Number, Output, Seed, Socket, Text
from nodes.values import Image, Latent
from starflow_core.files import save_png
from starflow_core.images import to_images

from .actions import outputs_of
from .components import PICTURES
from .documented import documented, parameter
from .handles import Handles
from .host import DemoHost
from .node_panels import read, results_of
from .steps import Watch
from .uploads import MAX_FILE

WORKFLOWS = Path(__file__).parent.parent / "workflows"
MUTED = 2  # a node's mode, in ComfyUI
FILE = "/gradio_api/file="

Json = dict[str, Any]


def names() -> list[str]:
    """Of the example graphs."""
    return sorted(path.stem for path in WORKFLOWS.glob("*.json"))


def converted(saved: Json, name: str) -> Json:
    """A graph as ComfyUI saves it, as `gr.Workflow` reads it: nodes become operators, loaded pictures references, and
    shown ones subjects; muted nodes are left out."""
    graph: Json = {"schema_version": "2", "name": name, "references": [], "operators": [], "subjects": [], "edges": []}
    kept = {node["id"]: node for node in saved["nodes"] if node.get("mode") != MUTED}
    for node in kept.values():
        kind = node["type"]
        if kind == "LoadImage":
            graph["references"].append(_asset(node, "reference"))
        elif kind in ("SaveImage", "PreviewImage"):
            graph["subjects"].append(_asset(node, "subject"))
        else:
            operator = _operator(node)
            graph["operators"].append(operator)
            _add_words(graph, operator)
    for link, source, source_slot, target, target_slot, type in saved["links"]:
        if source in kept and target in kept:
            slot = kept[target]["inputs"][target_slot]["name"]
            graph["edges"].append(
                {
                    "id": f"link{link}",
                    "from_node_id": str(source),
                    "from_port_id": "out" if kept[source]["type"] == "LoadImage" else f"out_{source_slot}",
                    "to_node_id": str(target),
                    "to_port_id": "in" if slot == "images" else slot,
                    "type": _port_type(type),
                }
            )
    return graph


def _add_words(graph: Json, operator: Json) -> None:
    """Give words that people write a place of their own, where Gradio shows them as fields."""
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


def _asset(node: Json, role: str) -> Json:
    ports = {
        "inputs": [{"id": "in", "label": "picture", "type": "image"}],
        "outputs": [{"id": "out", "label": "picture", "type": "image"}],
    }
    label = node.get("title") or {"reference": "A picture of yours", "subject": "Picture"}[role]
    return {"id": str(node["id"]), "role": role, "label": label, "asset_type": "image", **ports, "data": {}}


def _operator(node: Json) -> Json:
    declared = ours(node["type"])
    title = node.get("title") or declared.title
    inputs = [
        {"id": given.name, "label": given.label, "type": _input_type(given), "required": given.is_required}
        for given in declared.inputs
    ]
    outputs = [
        {"id": f"out_{i}", "label": output.name, "type": _port_type(output.type), "output_index": i}
        for i, output in enumerate(declared.outputs)
    ]
    widgets = [given for given in declared.inputs if not isinstance(given.field, Socket)]
    values = [value for value in node.get("widgets_values") or [] if value not in CONTROL]
    data = {given.name: value for given, value in zip(widgets, values, strict=False)}
    made = {"id": str(node["id"]), "role": "operator", "kind": "fn", "fn": declared.id, "label": title}
    return {**made, "inputs": inputs, "outputs": outputs, "data": data}


CONTROL = ("fixed", "increment", "decrement", "randomize")  # what becomes of a seed after a run: a widget of ComfyUI's


def ours(type: str) -> Node:
    """The node behind one of a graph: its own, or the one that does the same as ComfyUI's.

    Raises:
        ValueError: there is none.
    """
    for node in (*NODES, *NATIVE):
        if node.id == type:
            return node
    raise ValueError(f"The graph has a node {type}, which there is only in ComfyUI.")


def _decoded(host: Any, samples: Latent, vae: Any) -> Image:
    if vae is None:  # of a flow of pictures, whose latents are the pictures
        return convert.image(to_images(samples["samples"]))
    scaled = samples["samples"].to(vae.device) * vae.config.scaling_factor
    return convert.image([to_images(vae.decode(one[None]))[0] for one in scaled])


def _as_picture(host: Any, mask: Image) -> Image:
    return mask


# ComfyUI's own nodes that the example graphs use, for what goes along their wires here.
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
)


def _input_type(given: Input) -> str:
    field = given.field
    if isinstance(field, Socket):
        return _port_type(field.type)
    return "number" if isinstance(field, (Number, Seed)) else "boolean" if isinstance(field, Flag) else "text"


def _port_type(type: str) -> str:
    """Handles are text."""
    return "image" if type in (IMAGE, MASK) else "number" if type == FLOAT else "text"


class Runner:
    """What runs behind the canvas: one node at a time, files in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock, self._handles = folder, threading.Lock(), Handles()

    def functions(self) -> dict[str, Callable[..., list[Any]]]:
        """A function a node, which takes and returns what JSON can hold."""
        return {node.id: self._function(node) for node in (*NODES, *NATIVE)}

    def _function(self, node: Node) -> Callable[..., list[Any]]:
        def run(*values: Any) -> list[Any]:
            given = [
                value if value is not None else _default(one) for one, value in zip(node.inputs, values, strict=True)
            ]
            inputs = {one.name: self._read(one, value) for one, value in zip(node.inputs, given, strict=True)}
            with self._lock:
                outputs = outputs_of(node, DemoHost(Watch()), inputs)
            return [self._written(value) for value in results_of(node, outputs, self._handles, "canvas")]

        return documented(run, node.id, node.help, [parameter(given) for given in node.inputs])

    def _read(self, given: Input, value: Any) -> Any:
        is_picture = isinstance(given.field, Socket) and given.field.type in PICTURES
        return read(given, self._path(value) if is_picture and value else value, self._handles)

    def _path(self, value: Any) -> str:
        """The file of a picture that came along a wire.

        Raises:
            ValueError: it is none that this program was given or has made.
        """
        address = value.get("path") or value.get("url") or "" if isinstance(value, dict) else str(value)
        path = Path(urllib.parse.unquote(address.split(FILE)[-1])).resolve()
        if not path.is_relative_to(self._folder):
            raise ValueError("This picture is not of this graph; drop it into the graph first.")
        return str(path)

    def _written(self, value: Any) -> Any:
        """Pictures as a file, side by side; anything else as it is."""
        if not isinstance(value, list):
            return value
        path = self._folder / f"{uuid.uuid4().hex}.png"
        save_png(beside_each_other(value), path)
        return {"path": str(path), "url": f"{FILE}{path}", "is_file": True}


def beside_each_other(pictures: list[Picture.Image]) -> Picture.Image:
    """A graph's wire carries one picture."""
    width, height = pictures[0].size
    row = Picture.new("RGB", (width * len(pictures), height))
    for i, picture in enumerate(pictures):
        row.paste(picture, (i * width, 0))
    return row


def _default(given: Input) -> Any:
    return None if given.is_required else given.default


def main() -> None:
    """`python -m demo.graph`."""
    parser = argparse.ArgumentParser(prog="python -m demo.graph", description="An example graph in the browser.")
    parser.add_argument("graph", choices=names(), nargs="?", default="text_to_image")
    parser.add_argument("--port", type=int, help="to listen at; the first free one from 7860 by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="starflow-graph-") as name:
        folder = Path(name).resolve()
        # Before the canvas is made, which lets the browser read the whole of what is then the temporary folder.
        os.environ |= {"TMPDIR": str(folder), "GRADIO_TEMP_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False"}
        tempfile.tempdir = None
        saved = json.loads((WORKFLOWS / f"{options.graph}.json").read_text(encoding="utf-8"))
        file = folder / f"{options.graph}.json"
        file.write_text(json.dumps(converted(saved, options.graph.replace("_", " "))), encoding="utf-8")
        serve(file, folder, options.port)


def serve(file: Path, folder: Path, port: int | None) -> None:
    """The canvas, until it is stopped."""
    import gradio as gr
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = True  # the canvas would ask the Hub which models it can offer
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "gr.Workflow is currently in beta")
        canvas = gr.Workflow(str(file), bind=Runner(folder).functions())
    canvas.launch(server_name="127.0.0.1", server_port=port, max_file_size=MAX_FILE)


if __name__ == "__main__":
    main()
