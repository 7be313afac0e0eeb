"""The page that takes a picture to noise and back, and draws variations of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr

from nodes.declaration import Input, Number
from nodes.sampling import sample

from . import actions
from .accelerator import ONE_AT_A_TIME
from .actions import Inverted
from .components import THUMBNAILS, checked, component, picture_field, seed_row
from .documented import Parameter, documented, parameter
from .errors import friendly
from .fields import MODEL_NAME, PROMPT, buttons, cancels, model_field, model_parameter
from .status import drawing, finished, status
from .steps import Done
from .unread import unread
from .uploads import opened

SAMPLER = {given.name: given for given in sample.inputs}
SETTINGS = [SAMPLER[name] for name in ("variation", "seed", "guidance", "tolerance", "temperature", "denoise")]
STRENGTH = 0.4  # the default: enough for visible changes
NO_GUIDANCE = 0.0  # the default: with guidance, the way back is not the inverse of the way to noise
COUNT = Input("count", Number("variations, of seeds that follow each other", 1, 8, 1), 4)


class InversionPage(NamedTuple):
    """The fields of this page that the first page fills in when it sends a picture."""

    picture: gr.Image
    prompt: gr.Textbox
    model: gr.Dropdown


def page() -> InversionPage:
    """Build the page inside the current Gradio Blocks."""
    gr.Markdown(
        "A flow takes a picture to noise and back without loss: only the autoencoder rounds it. Mix fresh noise in, "
        "and what comes back is a variation."
    )
    with gr.Row():
        with gr.Column(scale=2):
            picture = picture_field(label="Picture (drop one here)", height=260, elem_id="inverted-picture")
            prompt = component(PROMPT, label="Prompt", info="what the picture shows; may stay empty", lines=1)
            strength = component(SAMPLER["variation"], label="strength", value=STRENGTH, info=TOLD["variation"])
            go, stop = buttons("Invert and vary", "invert")
            with gr.Accordion("More settings", open=False):
                model = model_field()
                count, seed = component(COUNT), seed_row(SAMPLER["seed"])
                guidance = component(SAMPLER["guidance"], value=NO_GUIDANCE, info=TOLD["guidance"])
                rest = [component(SAMPLER[name]) for name in ("tolerance", "temperature", "denoise")]
        with gr.Column(scale=3):
            slider = gr.ImageSlider(
                label="Before and after",
                format="png",
                height=340,
                elem_id="there-and-back",
            )
            told = status("Drop a picture, and press Invert and vary.")
            varied = gr.Gallery(label="Variations", elem_id="variations", **THUMBNAILS)
            with gr.Accordion("As numbers", open=False):
                numbers = gr.JSON(label="Errors and seeds")
    parameters = [
        Parameter("picture", str, "the picture, as a file"),
        Parameter("prompt", str, "what the picture shows, in words, or the name of a class"),
        model_parameter(),
        parameter(COUNT),
        parameter(SAMPLER["variation"], "strength"),
        *(parameter(given) for given in SETTINGS[1:]),
    ]
    purpose = "Take a picture to a normalizing flow's noise and back, and vary it by mixing fresh noise in."
    inverting = go.click(
        friendly(documented(_invert, "invert", purpose, parameters)),
        [picture, prompt, model, count, strength, seed, guidance, *rest],
        [slider, told, varied, numbers],
        api_name="invert",
        show_progress="minimal",
        **ONE_AT_A_TIME,
    )
    cancels(stop, told, inverting)
    return InversionPage(picture, prompt, model)


TOLD = {
    "variation": "how much of the picture's noise gives way to fresh noise: 0 keeps the picture, 1 nothing of it",
    "guidance": "of the variations; 0 is the exact inverse, -1 the model's own",
}


def _invert(file: str, prompt: str, model: str, count: int, *values: Any) -> Iterator[tuple[Any, ...]]:
    sampling, many = checked(SETTINGS, values), COUNT.checked(count)
    checked([MODEL_NAME], [model])
    picture = opened(file)
    for step in actions.vary(picture, PROMPT.checked(prompt), model, many, sampling):
        if isinstance(step, Done):
            yield _results(step.result, unread(model, prompt))
        else:
            preview = gr.skip() if step.pictures is None else step.pictures
            yield gr.skip(), drawing(step.share), preview, gr.skip()


def _results(found: Inverted, remarks: str) -> tuple[Any, ...]:
    told = (
        f"The flow brought its data back within a relative error of <b>{found.error:.1e}</b>. The picture came back at "
        f"<b>{found.psnr:.1f} dB</b> PSNR, which is what the autoencoder keeps, where there is one. {remarks}"
    )
    varied = [(picture, f"seed {seed}") for picture, seed in zip(found.varied, found.seeds, strict=True)]
    numbers = {"relative_error": found.error, "psnr": found.psnr, "seeds": found.seeds}
    return (found.picture, found.back), finished(told), varied, numbers
