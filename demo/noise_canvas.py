"""The part of the page for edits that shows a picture's noise: redraw a patch of it, and the picture changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from . import edits
from .accelerator import ONE_AT_A_TIME
from .components import checked, component, picture_field
from .documented import Parameter, documented
from .edits import Canvas, Patch
from .errors import friendly
from .fields import MODEL_NAME, PROMPT, buttons, cancels, model_field, model_parameter
from .limits import SEEDS
from .pictures import png_address, shown_address
from .status import drawing, finished, status
from .steps import Done
from .unread import unread
from .uploads import opened

SCRIPT = Path(__file__).parent / "web" / "noise_canvas.js"
MOST_PATCHES, MOST_CELLS = 64, 4096
PATCHES = '[{"cells": [[row, column], …], "seed": 1}, …]'


def panel() -> None:
    """Build the panel inside the current Gradio Blocks."""
    gr.Markdown(
        "To a flow, a picture **is** noise. Paint over its noise: the patch gets fresh noise, and the picture is drawn "
        "again from all of it. What stays the same shows what the rest of the noise holds."
    )
    with gr.Row():
        with gr.Column(scale=2):
            picture = picture_field(label="Picture (drop one here)", height=220, elem_id="canvas-picture")
            prompt = component(PROMPT, label="Prompt", info="what the picture shows; may stay empty", lines=1)
            patches = gr.Textbox("[]", visible=False)
            go, stop = buttons("Show its noise", "canvas")
            with gr.Accordion("More settings", open=False):
                model = model_field()
        with gr.Column(scale=3):
            shown = gr.HTML(
                "",
                label="Noise and picture",
                html_template='<div class="noise-canvas"></div>',
                js_on_load=f'{SCRIPT.read_text(encoding="utf-8")}\n// ["redraw"]',
                elem_id="noise-canvas",
            )
            told = status("Drop a picture, and press Show its noise.")
    parameters = [
        Parameter("picture", str, "the picture, as a file"),
        Parameter("prompt", str, "what the picture shows, in words, or the name of a class"),
        model_parameter(),
        Parameter("patches", str, f"what to redraw, as JSON: {PATCHES}", is_optional=True),
    ]
    purpose = "Take a picture to a flow's noise, redraw patches of the noise, and draw the picture that it now is."
    function = friendly(documented(_canvas, "noise_canvas", purpose, parameters))
    fields, results = [picture, prompt, model, patches], [shown, told]
    begun = go.click(lambda: "[]", outputs=patches, queue=False, api_visibility="private").then(
        function, fields, results, api_name="noise_canvas", show_progress="hidden", **ONE_AT_A_TIME
    )
    redrawn = shown.redraw(
        None, outputs=patches, js="() => JSON.stringify(starflow.sent)", queue=False, api_visibility="private"
    ).then(function, fields, results, api_visibility="private", show_progress="hidden", **ONE_AT_A_TIME)
    cancels(stop, told, begun, redrawn)


def _canvas(file: str, prompt: str, model: str, patches: str) -> Iterator[tuple[Any, ...]]:
    checked([MODEL_NAME], [model])
    asked = patches_of(patches or "[]")
    for step in edits.canvas(opened(file), PROMPT.checked(prompt), model, asked):
        if isinstance(step, Done):
            done = f"{len(asked)} patches redrawn." if len(asked) != 1 else "One patch redrawn."
            said = done if asked else "Paint over the noise."
            yield json.dumps(_shown(step.result, asked)), finished(f"{said} {unread(model, prompt)}")
        else:
            yield gr.skip(), drawing(step.share)


def patches_of(text: str) -> list[Patch]:
    """Read patches from JSON.

    Raises:
        ValueError: it is something else, or too much of it.
    """
    wrong = f"The patches must be a list like {PATCHES}, of {MOST_PATCHES} at most."
    try:
        asked = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise ValueError(wrong) from None
    if not isinstance(asked, list) or len(asked) > MOST_PATCHES:
        raise ValueError(wrong)
    found = []
    for one in asked:
        cells, seed = (one.get("cells"), one.get("seed")) if isinstance(one, dict) else (None, None)
        if not isinstance(cells, list) or len(cells) > MOST_CELLS or type(seed) is not int or not 0 <= seed < SEEDS:
            raise ValueError(wrong)
        if not all(isinstance(cell, list) and len(cell) == 2 and all(type(i) is int for i in cell) for cell in cells):
            raise ValueError(wrong)
        found.append(Patch(tuple((row, column) for row, column in cells), seed))
    return found


def _shown(found: Canvas, patches: list[Patch]) -> dict[str, Any]:
    """Return what `web/noise_canvas.js` shows."""
    return {
        "picture": shown_address(found.picture),
        "file": png_address(found.picture),
        "noise": png_address(found.noise),
        "rows": found.rows,
        "columns": found.columns,
        "patches": [{"cells": patch.cells, "seed": patch.seed} for patch in patches],
    }
