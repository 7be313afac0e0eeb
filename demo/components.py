"""Gradio components for inputs and outputs of nodes, with the same limits and help."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components.gallery import GalleryImage
from gradio.data_classes import FileData, GradioRootModel, ListFiles
from PIL import ImageOps

from nodes import convert
from nodes.declaration import (
    FLOAT,
    IMAGE,
    MASK,
    STRING,
    Choice,
    Flag,
    Input,
    Number,
    Output,
    Seed,
    Socket,
    Text,
    is_file,
)

from .icons import icon
from .limits import SEEDS, here
from .upload_check import check_at_once
from .uploads import KEPT_PIXELS, all_opened

PICTURES = (IMAGE, MASK)
THUMBNAILS: dict[str, Any] = {
    **{"format": "png", "columns": 4, "height": "auto", "object_fit": "contain", "interactive": False},
    "elem_classes": ["thumbnails"],
}


def is_handle(type: str) -> bool:
    """Return whether a handle stands for values of this type outside the server."""
    return type not in (*PICTURES, FLOAT, STRING)


def component(given: Input, **changed: Any) -> Any:
    """Return the component for an input of a node; `changed` overrides arguments of the component."""
    given = here(given)
    if isinstance(given.field, Socket):
        return _socket(given, given.field, **changed)
    if is_file(given):
        return _handle_choice(label=given.label, info=given.field.help, **changed)
    made = _field(given, **changed)
    # The messages of Gradio's own checks do not name the field; those of `checked` do.
    made.preprocess = as_given
    return made


def as_given(payload: Any) -> Any:
    return payload


def _field(given: Input, **changed: Any) -> Any:
    field = given.field
    named = {"label": given.label, "info": field.help}
    if not given.is_required:
        named["value"] = given.default
    if isinstance(field, Text):
        return gr.Textbox(**{**named, "lines": field.lines, **changed})
    if isinstance(field, Number):
        limits = {"minimum": field.least, "maximum": field.most, "step": field.step}
        return gr.Slider(**{**named, **limits, **changed})
    if isinstance(field, Seed):
        limits = {"minimum": 0, "maximum": SEEDS - 1, "precision": 0}
        return gr.Number(**{**named, **limits, **changed})
    if isinstance(field, Flag):
        return gr.Checkbox(**{**named, **changed})
    assert isinstance(field, Choice)
    return gr.Dropdown(**{**named, "choices": field.names(), **changed})


def _socket(given: Input, field: Socket, **changed: Any) -> Any:
    if field.type in PICTURES:
        make = pictures_field if field.many else picture_field
        return make(label=f"{given.label}: {field.help}", **changed)
    info = f"{field.help}" if given.is_required else f"{field.help} (may stay empty)"
    return _handle_choice(label=given.label, info=info, **changed)


def picture_field(**named: Any) -> Any:
    """Return a field for one picture; its events get the path of the file."""
    field = gr.Image(type="filepath", image_mode=None, format="png", sources=["upload", "clipboard"], **named)
    # Gradio's own `preprocess` opens the file, and its errors do not say what is wrong with the file.
    field.preprocess = _uploaded  # type: ignore[method-assign]
    check_at_once(field)
    return field


def _uploaded(payload: Any) -> str | None:
    return None if payload is None else payload.path


class _Files(GradioRootModel):
    """Plain files, as programs send them, or entries of a gallery."""

    root: list[GalleryImage | FileData]


def pictures_field(**named: Any) -> Any:
    """Return a field for several pictures; its events get the paths of the files."""
    field: Any = gr.Gallery(
        type="filepath", format="png", interactive=True, sources=["upload", "clipboard"], object_fit="contain", **named
    )
    field.data_model = _Files
    field.preprocess = _all_uploaded
    field.api_info_as_input = ListFiles.model_json_schema
    check_at_once(field)
    return field


def _all_uploaded(payload: Any) -> list[str]:
    files = [] if payload is None else payload.root
    return [str(one.image.path if isinstance(one, GalleryImage) else one.path) for one in files]


def _handle_choice(**named: Any) -> Any:
    """Return a dropdown of the visitor's handles; programs may pass any handle as text."""
    choice = gr.Dropdown(choices=[], value=None, allow_custom_value=True, **named)
    # Gradio would describe the parameter as one of the choices, and there are none at first.
    choice.api_info = lambda: {"type": "string", "description": "a handle, as a node returned it"}  # type: ignore[method-assign]
    return choice


def shown(output: Output) -> Any:
    """Return the component that shows an output of a node."""
    label = output.name.replace("_", " ")
    if output.is_list:
        return gr.JSON(label=f"{label}: {output.help}")
    if output.type == FLOAT:
        return gr.Number(label=label, info=output.help, interactive=False)
    if output.type == STRING:
        return gr.Textbox(label=label, info=output.help, interactive=False)
    if output.type in PICTURES:
        return gr.Gallery(label=label, **THUMBNAILS)
    return gr.Textbox(label=f"{label} (handle)", info=output.help, interactive=False, placeholder="run the node")


def as_image(paths: str | list[str] | None) -> Any:
    """Return uploaded pictures as an IMAGE, all with the size of the first; None if there are none.

    They are reduced if all together have more than `KEPT_PIXELS`.
    """
    if not paths:
        return None
    pictures = all_opened([paths] if isinstance(paths, str) else paths)
    width, height = pictures[0].size
    scale = min(1.0, math.sqrt(KEPT_PIXELS / (len(pictures) * width * height)))
    size = (max(1, int(scale * width)), max(1, int(scale * height)))
    return convert.image([picture if picture.size == size else ImageOps.fit(picture, size) for picture in pictures])


def as_mask(paths: str | list[str] | None) -> Any:
    """Return uploaded pictures as a MASK, as `as_image` does; white is 1."""
    image = as_image(paths)
    return None if image is None else image.mean(-1)


def as_pictures(type: str, value: Any) -> Any:
    """Convert an IMAGE or a MASK to pictures for a gallery."""
    return convert.pictures(value if type == IMAGE else value[..., None].expand(*value.shape, 3))


def checked(inputs: Sequence[Input], values: Sequence[Any]) -> dict[str, Any]:
    """Check the values of inputs; return them by name.

    Raises:
        ValueError: a value is of the wrong kind or out of range; the message begins with the field's name.
    """
    return {given.name: here(given).checked(value) for given, value in zip(inputs, values, strict=True)}


def seed_row(given: Input, **changed: Any) -> Any:
    """Return the field for a seed, with a button beside it that picks a random seed."""
    with gr.Row(elem_classes=["seed-row"]):
        seed = component(given, scale=4, **changed)
        dice = gr.HTML(
            '<button type="button" class="dice" title="Another seed" aria-label="Another seed">'
            f"{icon('dice')}</button>",
            elem_classes=["dice-place"],
        )
    dice.click(None, outputs=seed, js="() => starflow.randomSeed()", queue=False, api_visibility="private")
    return seed
