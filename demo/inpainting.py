"""The part of the page for edits that draws parts of a picture anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr
from PIL import Image

from nodes.inpainting import fill_masked

from . import fills
from .accelerator import ONE_AT_A_TIME
from .components import THUMBNAILS, checked, component, picture_field, seed_row
from .documented import Parameter, documented, parameter
from .errors import friendly
from .fields import MODEL_NAME, PROMPT, buttons, cancels, model_field, model_parameter
from .fills import Fills
from .painter import NOTHING, mask_of, painter
from .status import drawing, finished, status
from .steps import Done
from .unread import unread
from .uploads import opened

FIELDS = {given.name: given for given in fill_masked.inputs}
SETTINGS = [FIELDS[name] for name in ("count", "seed", "rounds", "steps", "temperature", "guidance", "feather")]
FILLS = 4  # the default number: enough to choose among
PRIVATE: dict[str, Any] = {"queue": False, "api_visibility": "private"}


class InpaintingPanel(NamedTuple):
    """The fields of this panel that the first page could fill in."""

    picture: gr.Image
    prompt: gr.Textbox
    model: gr.Dropdown


def panel() -> InpaintingPanel:
    """Build the panel inside the current Gradio Blocks."""
    gr.Markdown(
        "Paint over a part of a picture, and the flow draws it anew, **four times, the likeliest first**. All that you "
        "did not paint over stays as it was, pixel by pixel."
    )
    with gr.Row():
        with gr.Column(scale=2):
            picture = picture_field(label="Picture (drop one here)", height=200, elem_id="inpainted-picture")
            paper = painter()
            told = "what the whole picture shows; may stay empty"
            prompt = component(PROMPT, label="Prompt", info=told, lines=1, elem_id="inpainted-prompt")
            mask = gr.Textbox("", visible=False)
            go, stop = buttons("Draw it anew", "inpaint")
            with gr.Accordion("More settings", open=False):
                model = model_field()
                made = [
                    seed_row(given)
                    if given.name == "seed"
                    else component(given, **({"value": FILLS, "maximum": 8} if given.name == "count" else {}))
                    for given in SETTINGS
                ]
        with gr.Column(scale=3):
            said = status("Drop a picture, and paint over what shall be drawn anew.")
            gallery = gr.Gallery(label="Fills, the likeliest first", elem_id="fills", **{**THUMBNAILS, "columns": 2})
            with gr.Accordion("As numbers", open=False):
                numbers = gr.JSON(label="Log-probabilities of the whole pictures, in nats")
    picture.change(None, picture, paper, js='(file) => file?.url ?? ""', **PRIVATE)
    paper.painted(None, outputs=mask, js="() => starflow.sent", **PRIVATE)
    working = go.click(
        friendly(_paint),
        [picture, mask, prompt, model, *made],
        [gallery, said, numbers],
        show_progress="minimal",
        api_visibility="private",
        **ONE_AT_A_TIME,
    )
    cancels(stop, said, working)
    _endpoint(prompt, model, made, [gallery, said, numbers])
    return InpaintingPanel(picture, prompt, model)


def _endpoint(prompt: Any, model: Any, made: list[Any], outputs: list[Any]) -> None:
    """Add the endpoint `/inpaint`, which takes the mask as a file."""
    with gr.Column(visible=False):
        picture, mask, go = picture_field(label="Picture"), picture_field(label="Mask"), gr.Button()
    parameters = [
        Parameter("picture", str, "the picture, as a file"),
        Parameter("mask", str, "a picture of the same size, as a file; white is drawn anew"),
        Parameter("prompt", str, "what the whole picture shows, in words, or the name of a class"),
        model_parameter(),
        *(parameter(given) for given in SETTINGS),
    ]
    purpose = "Draw parts of a picture anew with a normalizing flow; all other pixels stay, the likeliest comes first."
    go.click(
        friendly(documented(_inpaint, "inpaint", purpose, parameters)),
        [picture, mask, prompt, model, *made],
        outputs,
        api_name="inpaint",
        **ONE_AT_A_TIME,
    )


def _paint(file: str, mask: str, prompt: str, model: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    picture = opened(file)
    yield from _drawn(picture, mask_of(mask, picture.size), prompt, model, values)


def _inpaint(file: str, mask: str, prompt: str, model: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    if not mask:
        raise ValueError(NOTHING)
    yield from _drawn(opened(file), opened(mask), prompt, model, values)


def _drawn(
    picture: Image.Image, mask: Image.Image, prompt: str, model: str, values: tuple[Any, ...]
) -> Iterator[tuple[Any, ...]]:
    settings = checked(SETTINGS, values)
    checked([MODEL_NAME], [model])
    for step in fills.fill(picture, mask.convert("L"), PROMPT.checked(prompt), model, settings):
        if isinstance(step, Done):
            yield _results(step.result, unread(model, prompt))
        else:
            preview = gr.skip() if step.pictures is None else step.pictures
            yield preview, drawing(step.share), gr.skip()


def _results(found: Fills, remarks: str) -> tuple[Any, ...]:
    best = found.log_probs[0]
    shown = [
        (picture, f"{rank}: {'the likeliest' if rank == 1 else f'{value - best:+.1f} nats'}")
        for rank, (picture, value) in enumerate(zip(found.pictures, found.log_probs, strict=True), 1)
    ]
    said = f"All that you did not paint over is as it was. {remarks}"
    return shown, finished(said), {"log_probs": found.log_probs}
