"""The part of the page for edits that draws the way from one picture to another."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from nodes.declaration import Input, Number

from . import edits
from .accelerator import ONE_AT_A_TIME
from .components import THUMBNAILS, checked, component, picture_field
from .documented import Parameter, documented, parameter
from .errors import friendly
from .fields import MODEL_NAME, PROMPT, buttons, cancels, model_field, model_parameter
from .pictures import enlarged, shown_address
from .status import drawing, finished, status
from .steps import Done
from .unread import unread
from .uploads import opened

SCRIPT = Path(__file__).parent / "web" / "morph.js"
FRAMES = Input("frames", Number("pictures, with both ends", 2, 16, 1), 12)
MILLISECONDS = 90  # that the animation shows a frame


def panel() -> None:
    """Build the panel inside the current Gradio Blocks."""
    gr.Markdown(
        "From one picture to another: their **noises** are turned into each other, and each frame is drawn from what "
        "lies between. A cross-fade shows two pictures at once; a morph shows one that changes."
    )
    with gr.Row():
        with gr.Column(scale=2):
            with gr.Row():
                first = picture_field(label="From (drop a picture)", height=180, elem_id="morph-from")
                second = picture_field(label="To (drop a picture)", height=180, elem_id="morph-to")
            with gr.Row():
                prompt = component(PROMPT, label="The first shows", info=None, lines=1, elem_id="morph-prompt")
                to = component(PROMPT, label="The second shows", info=None, lines=1, elem_id="morph-to-prompt")
            frames = component(FRAMES)
            go, stop = buttons("Draw the way", "morph")
            with gr.Accordion("More settings", open=False):
                model = model_field()
        with gr.Column(scale=3):
            player = gr.HTML(
                "",
                label="Morph",
                html_template='<div class="morph-place"></div>',
                js_on_load=SCRIPT.read_text(encoding="utf-8"),
                elem_id="morph-player",
            )
            told = status("Drop two pictures, and press Draw the way.")
            gallery = gr.Gallery(label="Frames", elem_id="morph-frames", **{**THUMBNAILS, "columns": 8})
    parameters = [
        Parameter("first", str, "the picture to start from, as a file"),
        Parameter("second", str, "the picture to end with, as a file"),
        Parameter("prompt", str, "what the first shows, in words, or the name of a class"),
        Parameter("to", str, "what the second shows"),
        model_parameter(),
        parameter(FRAMES),
    ]
    purpose = "Draw the way from one picture to another by a normalizing flow: frames between them, drawn from noise."
    working = go.click(
        friendly(documented(_morph, "morph", purpose, parameters)),
        [first, second, prompt, to, model, frames],
        [player, told, gallery],
        api_name="morph",
        show_progress="minimal",
        **ONE_AT_A_TIME,
    )
    cancels(stop, told, working)


def _morph(first: str, second: str, prompt: str, to: str, model: str, frames: Any) -> Iterator[tuple[Any, ...]]:
    checked([MODEL_NAME], [model])
    number = FRAMES.checked(frames)
    prompts = (PROMPT.checked(prompt), PROMPT.checked(to))
    for step in edits.morph((opened(first), opened(second)), prompts, model, number):
        if isinstance(step, Done):
            found = step.result
            told = f"{len(found)} frames; the slider goes from one to the next. {unread(model, *prompts)}"
            yield json.dumps(_played(found)), finished(told), found
        else:
            preview = gr.skip() if step.pictures is None else step.pictures
            yield gr.skip(), drawing(step.share), preview


def _played(frames: Sequence[Image.Image]) -> dict[str, Any]:
    """Return the frames, and an animation of them there and back, as the player takes them."""
    large = [enlarged(frame) for frame in frames]
    file = io.BytesIO()
    there_and_back = [*large, *large[-2:0:-1]]
    how: dict[str, Any] = {"save_all": True, "append_images": there_and_back[1:], "loop": 0, "quality": 90}
    there_and_back[0].save(file, format="WEBP", duration=MILLISECONDS, **how)
    animation = f"data:image/webp;base64,{b64encode(file.getvalue()).decode()}"
    return {"frames": [shown_address(frame) for frame in frames], "animation": animation}
