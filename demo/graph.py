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

from nodes.catalogue import NODES
from nodes.declaration import Input, Node, Socket
from starflow_core.cli.files import save_png

from .actions import outputs_of
from .components import PICTURES
from .documented import documented, parameter
from .graph_format import NATIVE, WORKFLOWS, converted, names
from .handles import Handles
from .host import DemoHost
from .node_panels import read, results_of
from .steps import Watch
from .uploads import MAX_FILE

FILE = "/gradio_api/file="


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
