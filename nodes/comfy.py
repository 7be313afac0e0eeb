"""The nodes as ComfyUI's V3 classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from comfy_api.latest import ComfyExtension, io

from starflow_core.png_text import IN_ONE, Origin, in_one

from .catalogue import NODES
from .comfy_host import ComfyHost
from .comfy_preview import has_own_latents
from .comfy_ui import ui_of
from .compression import SUFFIX
from .declaration import (
    CATEGORY,
    FLOAT,
    LATENT,
    STRING,
    Choice,
    Field,
    Flag,
    Input,
    Node,
    Number,
    Output,
    Seed,
    Socket,
    Text,
    is_file,
)
from .known import drawn_sizes
from .loading import models
from .provenance import foreign_source
from .values import Model

OUTPUTS: dict[str, Any] = {FLOAT: io.Float, STRING: io.String}
LARGEST_SEED = 2**64 - 1


class StarFlowExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        host = ComfyHost()
        return [comfy_node(node, host) for node in NODES]


def comfy_node(node: Node, host: ComfyHost) -> type[io.ComfyNode]:
    """A node as a V3 class."""

    class StarFlowNode(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return schema(node)

        @classmethod
        def execute(cls, **values: Any) -> io.NodeOutput:
            check_sources(node, values, cls.hidden)
            # ComfyUI runs nodes in inference mode, whose tensors have no gradients; denoising needs them.
            with torch.inference_mode(False), torch.no_grad():
                shown = node(host, **values)
            sign(shown.details, cls.hidden)
            return io.NodeOutput(*shown.outputs, ui=ui_of(shown.details) if node.shows else None)

    StarFlowNode.__name__ = node.id
    return _of_files(node, StarFlowNode, host) if reads_files(node) else StarFlowNode


def _of_files(node: Node, plain: type[io.ComfyNode], host: ComfyHost) -> type[io.ComfyNode]:
    """A node that runs again when a file that it reads has changed."""

    class StarFlowNode(plain):
        @classmethod
        def fingerprint_inputs(cls, **values: Any) -> Any:
            names = [values.get(given.name) for given in node.inputs if is_file(given)]
            return [host.version(name, SUFFIX) for name in names if isinstance(name, str)]  # None along a wire

    StarFlowNode.__name__ = node.id
    return StarFlowNode


def reads_files(node: Node) -> bool:
    return any(map(is_file, node.inputs))


def schema(node: Node) -> io.Schema:
    """The V3 schema of a node."""
    return io.Schema(
        node_id=node.id,
        display_name=node.title,
        category=f"{CATEGORY}/{node.category}",
        description=node.help,
        inputs=[comfy_input(given) for given in node.inputs],
        outputs=[comfy_output(output) for output in node.outputs],
        hidden=[io.Hidden.unique_id, io.Hidden.dynprompt, io.Hidden.extra_pnginfo] if reads_latents(node) else [],
        is_output_node=node.shows,
        **_of_newer_versions(node),
    )


def _of_newer_versions(node: Node) -> dict[str, Any]:
    """Arguments of the schema that older versions of ComfyUI lack; empty for those."""
    told = {"search_aliases": list(node.aliases), "essentials_category": node.essentials or None}
    known = {field.name for field in dataclasses.fields(io.Schema)}
    return {name: value for name, value in told.items() if name in known}


def reads_latents(node: Node) -> bool:
    return any(isinstance(given.field, Socket) and given.field.type == LATENT for given in node.inputs)


def sign(details: Any, hidden: Any) -> None:
    """Let the PNG files of the pictures say how they were drawn, beside the graph.

    Save Image writes all that the extra data of a graph holds, each in a text chunk of its own. It does not say which
    sampler a picture comes from, so all that ran are listed.
    """
    extra = getattr(hidden, "extra_pnginfo", None)
    if isinstance(details, Origin) and isinstance(extra, dict):
        extra[IN_ONE] = [*extra.get(IN_ONE, []), in_one(details)]


def check_sources(node: Node, values: Mapping[str, Any], hidden: Any) -> None:
    """Refuse a latent that, by the graph, comes from another autoencoder.

    Raises:
        ValueError: there is one.
    """
    model = values.get("model")
    if hidden is None or hidden.dynprompt is None or not isinstance(model, Model) or not has_own_latents(model):
        return
    classes: Any = import_module("nodes")  # ComfyUI's module of that name, not this package
    for given in node.inputs:
        if isinstance(given.field, Socket) and given.field.type == LATENT and values.get(given.name) is not None:
            source = foreign_source(
                hidden.unique_id, given.name, hidden.dynprompt.get_node, classes.NODE_CLASS_MAPPINGS
            )
            if source is not None:
                raise ValueError(
                    f"This latent comes from {source}, which works with another model's autoencoder; its latents mean "
                    f"nothing to {model.pipeline.name}. Make one with STARFlow Encode, or with the vae of STARFlow "
                    "Loader."
                )


def comfy_input(given: Input) -> io.Input:
    """An input as a socket or a widget."""
    field: Field = given.field
    # Inputs with a default are optional, so that older graphs, which lack new inputs, still run.
    about: dict[str, Any] = {"id": given.name, "tooltip": field.help or None, "optional": not given.is_required}
    if isinstance(field, Socket):
        return io.Custom(field.type).Input(**about)
    about["default"] = None if given.is_required else given.default
    if isinstance(field, Seed):
        return io.Int.Input(**about, min=0, max=LARGEST_SEED, control_after_generate=True)
    if isinstance(field, Number) and field.is_whole:
        return io.Int.Input(**about, min=int(field.least), max=int(field.most), step=int(field.step))
    if isinstance(field, Number):
        return io.Float.Input(**about, min=field.least, max=field.most, step=field.step, round=False)
    if isinstance(field, Text):
        return io.String.Input(**about, multiline=field.lines > 1, dynamic_prompts=field.lines > 1)
    if isinstance(field, Flag):
        return io.Boolean.Input(**about)
    assert isinstance(field, Choice)
    if field.options is models:
        return _ModelInput(**about, options=field.names())
    return io.Combo.Input(**about, options=field.names())


class _ModelInput(io.Combo.Input):
    """The choice of a model, with the sizes that each draws, for `web/sizes.js`."""

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), "starflow_sizes": drawn_sizes()}


def comfy_output(output: Output) -> io.Output:
    kind = OUTPUTS.get(output.type) or io.Custom(output.type)
    return kind.Output(display_name=output.name, tooltip=output.help or None, is_output_list=output.is_list)
