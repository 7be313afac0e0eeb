"""Inputs and outputs of nodes as components, with the same limits and help."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import gradio as gr

from nodes import convert
from nodes.declaration import (
    FLOAT,
    IMAGE,
    MASK,
    Choice,
    Flag,
    Input,
    Number,
    Output,
    Seed,
    Socket,
    Text,
)

from .uploads import opened

SEEDS = 2**53 - 1  # beyond, a browser cannot tell whole numbers apart
SHARED = {"batch_size": 16}  # lower limits of inputs, since visitors share a machine
PICTURES = (IMAGE, MASK)
THUMBNAILS: dict[str, Any] = {
    **{"format": "png", "columns": 4, "height": 230, "object_fit": "contain", "interactive": False},
    "elem_classes": ["thumbnails"],
}


def is_handle(type: str) -> bool:
    """Whether what goes along a wire is known outside by a handle."""
    return type not in (*PICTURES, FLOAT)


def component(given: Input, **changed: Any) -> Any:
    """What an input of a node is filled in with; `changed` arguments of the component take the place of its own."""
    field = given.field
    named = {"label": given.label, "info": field.help}
    if not given.is_required:
        named["value"] = given.default
    if isinstance(field, Text):
        return gr.Textbox(**{**named, "lines": field.lines, "max_length": field.longest, **changed})
    if isinstance(field, Number):
        limits = {"minimum": field.least, "maximum": SHARED.get(given.name, field.most), "step": field.step}
        return gr.Slider(**{**named, **limits, **changed})
    if isinstance(field, Seed):
        limits = {"minimum": 0, "maximum": SEEDS, "precision": 0}
        return gr.Number(**{**named, **limits, **changed})
    if isinstance(field, Flag):
        return gr.Checkbox(**{**named, **changed})
    if isinstance(field, Choice):
        return gr.Dropdown(**{**named, "choices": field.names(), **changed})
    assert isinstance(field, Socket)
    if field.type in PICTURES:
        label = f"{given.label}: {field.help}"
        return picture_field(label=label, **changed)
    info = f"{field.help}" if given.is_required else f"{field.help} (may stay empty)"
    return _handle_choice(label=given.label, info=info, **changed)


def picture_field(**named: Any) -> Any:
    """Where people drop a picture; events get its file."""
    field = gr.Image(type="filepath", image_mode=None, format="png", sources=["upload", "clipboard"], **named)
    # Gradio's own opens the file, and does not tell people what is wrong with it.
    field.preprocess = _uploaded  # type: ignore[method-assign]
    return field


def _uploaded(payload: Any) -> str | None:
    return None if payload is None else payload.path


def _handle_choice(**named: Any) -> Any:
    """A choice among a visitor's handles; programs write theirs."""
    choice = gr.Dropdown(choices=[], value=None, allow_custom_value=True, **named)
    # Not one of the choices, of which there are none at first.
    choice.api_info = lambda: {"type": "string", "description": "a handle, as a node returned it"}  # type: ignore[method-assign]
    return choice


def shown(output: Output) -> Any:
    """What an output of a node is shown in."""
    label = output.name.replace("_", " ")
    if output.is_list:
        return gr.JSON(label=f"{label}: {output.help}")
    if output.type == FLOAT:
        return gr.Number(label=label, info=output.help, interactive=False)
    if output.type in PICTURES:
        return gr.Gallery(label=label, **THUMBNAILS)
    return gr.Textbox(label=f"{label} (handle)", info=output.help, interactive=False, placeholder="run the node")


def as_image(path: str | None) -> Any:
    """An uploaded picture as an IMAGE; None where there is none."""
    return convert.image([opened(path)]) if path else None


def as_pictures(type: str, value: Any) -> Any:
    """An IMAGE or a MASK as a gallery shows it."""
    return convert.pictures(value if type == IMAGE else value[..., None].expand(*value.shape, 3))


def checked(inputs: Sequence[Input], values: Sequence[Any]) -> dict[str, Any]:
    """What was filled in, by name.

    Raises:
        ValueError: something is not of its kind, or out of range.
    """
    return {given.name: given.checked(value) for given, value in zip(inputs, values, strict=True)}


def seed_row(given: Input) -> Any:
    """A seed with its dice."""
    with gr.Row():
        seed = component(given, scale=4)
        dice = gr.Button("🎲 Another seed", size="sm", scale=1, min_width=120, elem_classes=["dice"])
    dice.click(lambda: secrets.randbelow(2**32), outputs=seed, api_visibility="private", queue=False)
    return seed
