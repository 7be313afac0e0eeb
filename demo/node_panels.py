"""The page of nodes: a panel for each node, made from its declaration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from nodes.catalogue import NODES
from nodes.declaration import FLOAT, IMAGE, STRING, Input, Node, Seed, Socket, is_file

from . import actions
from .accelerator import ONE_AT_A_TIME
from .components import PICTURES, as_image, as_mask, as_pictures, component, is_handle, seed_row, shown
from .documented import documented, parameter
from .errors import friendly, warn
from .fields import buttons, cancels
from .handles import Handles
from .limits import here
from .status import drawing, finished, status
from .steps import Done
from .stored import FILE

HANDLES = Handles()


@dataclass(frozen=True)
class Panel:
    """The components of a node."""

    node: Node
    inputs: list[Any]
    outputs: list[Any]
    told: Any
    go: gr.Button
    stop: gr.Button


@dataclass(frozen=True)
class HandleField:
    """A field for a handle of a type.

    Attributes:
        is_required: whether the node needs a handle; if so, the page fills in the newest one.
    """

    field: Any
    type: str
    is_required: bool


def page() -> None:
    """Build the page inside the current Gradio Blocks."""
    gr.Markdown(
        "The nodes of the ComfyUI pack, one by one. Models, latents and conditioning stay on the server, and go from "
        "node to node by their handles: run **STARFlow Loader** first, and what it made can be chosen in the others. "
        "So do files. Handles are yours alone, and are let go when you leave, or an hour after their last use."
    )
    panels = []
    for node in NODES:
        with gr.Accordion(node.title, open=False, elem_id=f"panel-{node.id}"):
            panels.append(_panel(node))
    choices = [choice for panel in panels for choice in _handle_fields(panel)]
    for panel in panels:
        _connect(panel, choices)


def _panel(node: Node) -> Panel:
    gr.Markdown(node.help)
    with gr.Row():
        with gr.Column():
            inputs = [seed_row(given) if isinstance(given.field, Seed) else component(given) for given in node.inputs]
            go, stop = buttons("Run", f"run-{node.id}")
        with gr.Column():
            outputs = [shown(output) for output in node.outputs]
            told = status()
    return Panel(node, inputs, outputs, told, go, stop)


def _handle_fields(panel: Panel) -> list[HandleField]:
    """Return the fields of a panel that take handles."""
    fields = []
    for field, given in zip(panel.inputs, panel.node.inputs, strict=True):
        if is_file(given):
            fields.append(HandleField(field, FILE, True))
        elif isinstance(given.field, Socket) and is_handle(given.field.type):
            fields.append(HandleField(field, given.field.type, given.is_required))
    return fields


def _connect(panel: Panel, choices: Sequence[HandleField]) -> None:
    node = panel.node
    function = documented(_runner(node), node.id, node.help, [parameter(given) for given in node.inputs])
    running = panel.go.click(
        friendly(function),
        panel.inputs,
        [*panel.outputs, panel.told],
        api_name=node.id,
        show_progress="minimal",
        **ONE_AT_A_TIME,
    )
    fresh = {FILE if output.is_file else output.type for output in node.outputs}
    if any(map(is_handle, fresh)):
        fields = [one for one in choices if one.type in fresh]
        running.success(_refresh(fields), outputs=[one.field for one in fields], api_visibility="private", queue=False)
    cancels(panel.stop, panel.told, running)


def _refresh(fields: Sequence[HandleField]) -> Callable[[gr.Request], Any]:
    """Return a function that updates the choices of handle fields, and fills in the newest where a node needs one."""

    def refresh(request: gr.Request) -> Any:
        updates = []
        for one in fields:
            found = HANDLES.of(visitor(request), one.type)
            chosen: dict[str, Any] = {"value": found[0][1]} if found and one.is_required else {}
            updates.append(gr.Dropdown(choices=found, **chosen) if found else gr.skip())
        return updates if len(updates) > 1 else updates[0]

    return refresh


def visitor(request: gr.Request) -> str:
    """Return the owner of a request's handles: its session."""
    return str(request.session_hash or "")


def _runner(node: Node) -> Callable[..., Iterator[Any]]:
    def run(request: gr.Request, *values: Any) -> Iterator[Any]:
        given = {one.name: read(one, value, HANDLES) for one, value in zip(node.inputs, values, strict=True)}
        for step in actions.run(node.id, given, warn):
            if isinstance(step, Done):
                yield *results_of(node, step.result, HANDLES, visitor(request)), finished("Done.")
            else:
                yield *(gr.skip() for _ in node.outputs), drawing(step.share)

    return run


def read(given: Input, value: Any, handles: Handles) -> Any:
    """Convert the value of a field to the input of the node.

    Raises:
        ValueError: the value is out of range, no picture, or no handle of the right type, or it is missing.
    """
    field = given.field
    if is_file(given) and value:
        return handles.get(str(value), FILE)
    if not isinstance(field, Socket):
        return here(given).checked(value)
    if not value:
        if given.is_required:
            raise ValueError(f"There is no {given.label} yet; it comes {field.help}. Run that node first.")
        return None
    if field.type in PICTURES:
        return as_image(value) if field.type == IMAGE else as_mask(value)
    return handles.get(str(value), field.type)


def results_of(node: Node, values: Sequence[Any], handles: Handles, owner: str) -> list[Any]:
    """Convert the outputs of a node to numbers, pictures and handles."""
    results: list[Any] = []
    for output, value in zip(node.outputs, values, strict=True):
        if output.is_file:
            results.append([handles.put(owner, FILE, str(one), one) for one in value])
        elif output.type in (FLOAT, STRING):
            results.append(value)
        elif output.type in PICTURES:
            results.append(as_pictures(output.type, value))
        else:
            label = f"{output.name.replace('_', ' ')} of {node.title}"
            results.append(handles.put(owner, output.type, label, value))
    return results


def leave(request: gr.Request) -> None:
    """Drop the handles of a visitor who has left."""
    HANDLES.forget(visitor(request))
