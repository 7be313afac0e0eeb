"""The example graphs of the ComfyUI pack as a node graph in the browser: `python -m demo.graph likelihood`.

Gradio's `gr.Workflow` (in beta) draws the graph and runs the nodes as its functions. Models and latents pass between
nodes as handles. The program serves one person on their own machine: it listens on loopback only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import threading
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio
from gradio.utils import get_upload_folder
from gradio.workflow import Workflow
from PIL import Image as Picture

from nodes.catalogue import NODES
from nodes.declaration import IMAGE, Input, Node, Output, Socket
from nodes.values import Image
from starflow_core.cli.files import save_png

from .actions import outputs_of
from .components import PICTURES
from .documented import documented, parameter
from .doors import Doors
from .files import ADDRESS, Hold, is_file
from .folder import own_folder
from .graph_format import NATIVE, WORKFLOWS, converted, names
from .handles import Handles
from .host import DemoHost
from .node_panels import read, results_of
from .steps import Watch

BATCHES = 64  # in memory, for the newest files


class Canvas(Doors, Workflow):
    """Gradio's `Workflow`, with the checks of `Doors`."""

    more_open = frozenset({"component_server"})  # the canvas calls its functions by this endpoint


class Runner:
    """Runs the nodes of the canvas, one at a time, and saves their pictures in `folder`.

    A connection of the canvas carries one file. The pictures of a batch are set side by side in it for people to see;
    a node that reads the file gets the batch itself.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock, self._handles = folder, threading.Lock(), Handles()
        self._batches: OrderedDict[str, Image] = OrderedDict()  # by the names of their files

    def functions(self) -> dict[str, Callable[..., list[Any]]]:
        """Return a function for each node; its arguments and results are JSON values."""
        return {node.id: self._function(node) for node in (*NODES, *NATIVE)}

    def _function(self, node: Node) -> Callable[..., list[Any]]:
        def run(*values: Any) -> list[Any]:
            given = [
                value if value is not None else _default(one) for one, value in zip(node.inputs, values, strict=True)
            ]
            hold = Hold(self._folder, "canvas")
            try:
                inputs = {one.name: self._read(one, value, hold) for one, value in zip(node.inputs, given, strict=True)}
                with self._lock:
                    outputs = outputs_of(node, DemoHost(Watch()), inputs)
                results = results_of(node, outputs, self._handles, "canvas")
                made = zip(node.outputs, outputs, results, strict=True)
                return [self._written(output, value, result) for output, value, result in made]
            except gradio.Error as error:
                raise ValueError(error.message) from None
            finally:
                hold.release()

        return documented(run, node.id, node.help, [parameter(given) for given in node.inputs])

    def _read(self, given: Input, value: Any, hold: Hold) -> Any:
        field = given.field
        if not (isinstance(field, Socket) and field.type in PICTURES and value):
            return read(given, value, self._handles)
        held = hold.hold(value if is_file(value) else {"path": value})["path"]
        batch = self._batches.get(Path(held).name)
        if batch is None:
            return read(given, held, self._handles)
        return batch if field.type == IMAGE else batch[..., 0]

    def _written(self, output: Output, value: Any, result: Any) -> Any:
        """Return a result as the canvas takes it: pictures as a file, a list as text, any other as it is."""
        if output.type not in PICTURES:
            return json.dumps(result) if output.is_list else result
        path = self._folder / f"{uuid.uuid4().hex}.png"
        save_png(beside_each_other(result), path)
        self._batches[path.name] = value if output.type == IMAGE else value[..., None].expand(*value.shape, 3)
        while len(self._batches) > BATCHES:
            self._batches.popitem(last=False)
        return {"path": str(path), "url": f"{ADDRESS}{path}", "is_file": True}


def beside_each_other(pictures: list[Picture.Image]) -> Picture.Image:
    """Join pictures side by side."""
    width, height = pictures[0].size
    row = Picture.new("RGB", (width * len(pictures), height))
    for i, picture in enumerate(pictures):
        row.paste(picture, (i * width, 0))
    return row


def _default(given: Input) -> Any:
    return None if given.is_required else given.default


def main() -> None:
    """Run the command `python -m demo.graph`."""
    parser = argparse.ArgumentParser(prog="python -m demo.graph", description="An example graph in the browser.")
    parser.add_argument("graph", choices=names(), nargs="?", default="text_to_image")
    parser.add_argument("--port", type=int, help="to listen at; the first free one from 7860 by default")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt), own_folder() as folder:
        saved = json.loads((WORKFLOWS / f"{options.graph}.json").read_text(encoding="utf-8"))
        file = folder / f"{options.graph}.json"
        file.write_text(json.dumps(converted(saved, options.graph.replace("_", " "))), encoding="utf-8")
        serve(file, Path(get_upload_folder()), options.port)


def serve(file: Path, uploads: Path, port: int | None) -> None:
    """Serve the canvas until the program is stopped."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "gr.Workflow is currently in beta")
        canvas = Canvas(str(file), bind=Runner(uploads).functions())
    canvas.launch(server_name="127.0.0.1", server_port=port)


if __name__ == "__main__":
    main()
