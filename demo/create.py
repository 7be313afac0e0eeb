"""The first page: a prompt becomes pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from nodes.declaration import Socket
from nodes.sampling import sample
from starflow_core.cli.files import file_stem, save_png
from starflow_core.png_text import png_text

from . import actions
from .accelerator import ONE_AT_A_TIME
from .actions import Drawn
from .components import checked, component, seed_row
from .documented import Parameter, documented, parameter
from .errors import friendly
from .fields import PROMPT, buttons, cancels, model_field, model_parameter
from .status import drawing, finished, status
from .steps import Done

EXAMPLES = ("a red heart", "blue heart", "cat face", "sunflower", "hamburger", "green frog", "owl", "❤️")
SETTINGS = [given for given in sample.inputs if not isinstance(given.field, Socket) and given.name != "variation"]


class CreatePage(NamedTuple):
    """What other pages go on with."""

    prompt: gr.Textbox
    model: gr.Dropdown
    gallery: gr.Gallery
    measure: gr.Button
    invert: gr.Button


def page() -> CreatePage:
    """Build the page, in the blocks at hand."""
    with gr.Row():
        with gr.Column(scale=2):
            prompt = component(
                PROMPT, label="Prompt", lines=2, placeholder="a red heart", autofocus=True, elem_id="prompt"
            )
            go, stop = buttons("Draw", "draw")
            examples = gr.Examples([[text] for text in EXAMPLES], [prompt], label="Try one", api_visibility="private")
        with gr.Column(scale=3):
            gallery = gr.Gallery(
                label="Pictures", format="png", columns=2, height=460, object_fit="contain", interactive=False,
                elem_id="pictures", buttons=["download", "fullscreen"],
            )  # fmt: skip
            told = status("Type what you want to see, and press Draw.")
            with gr.Row():
                measure = gr.Button("Measure these →", size="sm")
                invert = gr.Button("Invert and vary the first →", size="sm")
            with gr.Accordion("How these were drawn", open=False):
                details = gr.JSON(label="Settings, seeds and likelihoods; every PNG carries them as well")
    with gr.Accordion("Settings", open=True):
        settings = _settings()
    inputs = [prompt, *settings.values()]
    outputs = [gallery, told, details]
    parameters = [
        Parameter("prompt", str, "what to draw, in words, or the name of a class"),
        model_parameter(),
        Parameter("negative", str, "what to steer away from"),
        *(parameter(given) for given in SETTINGS),
    ]
    purpose = "Draw pictures of a prompt with a normalizing flow; each comes with its likelihood."
    create = documented(_create, "create", purpose, parameters)
    shared: dict[str, Any] = {"inputs": inputs, "outputs": outputs, "show_progress": "minimal", **ONE_AT_A_TIME}
    drawing_now = gr.on([go.click, prompt.submit], friendly(create), api_name="create", **shared)
    from_example = examples.load_input_event.success(friendly(create), api_visibility="private", **shared)
    cancels(stop, told, drawing_now, from_example)
    return CreatePage(prompt, settings["model"], gallery, measure, invert)


def _settings() -> dict[str, Any]:
    """All fields but the prompt, by name, in the order of the endpoint."""
    by_name = {given.name: given for given in SETTINGS}
    made: dict[str, Any] = {}
    with gr.Row():
        with gr.Column(min_width=200):
            made["aspect_ratio"] = component(by_name["aspect_ratio"])
        with gr.Column(min_width=200):
            made["batch_size"] = component(by_name["batch_size"])
        with gr.Column(min_width=200):
            made["guidance"] = component(by_name["guidance"])
        with gr.Column(min_width=200):
            made["seed"] = seed_row(by_name["seed"])
    with gr.Accordion("More settings", open=False):
        made["model"] = model_field()
        made["negative"] = component(PROMPT, label="negative prompt", info="what to steer away from", lines=1)
        for given in SETTINGS:
            if given.name not in made:
                made[given.name] = component(given)
    return {name: made[name] for name in ("model", "negative", *by_name)}


def _create(prompt: str, model: str, negative: str, *values: Any) -> Iterator[tuple[Any, Any, Any]]:
    sampling = checked(SETTINGS, values)
    wanted, unwanted = PROMPT.checked(prompt or ""), PROMPT.checked(negative or "")
    with tempfile.TemporaryDirectory(prefix="starflow-") as folder:  # Gradio copies from there what it is given
        for step in actions.draw(wanted, unwanted, model, sampling):
            if isinstance(step, Done):
                pictures = _written(step.result, Path(folder))
                yield pictures, finished(_table(step.result)), _details(step.result)
            else:
                preview = gr.skip() if step.pictures is None else step.pictures
                yield preview, drawing(step.share), gr.skip()


def _written(drawn: list[Drawn], folder: Path) -> list[tuple[str, str]]:
    """Files with the pictures' settings in them, and what stands below each."""
    written = []
    for one in drawn:
        path = folder / f"{file_stem(one.prompt, one.seed)}.png"
        save_png(one.picture, path, png_text(one.prompt, one.seed, one.settings))
        written.append((str(path), f"seed {one.seed} · {one.scored.likelihood.bits_per_dim:.3f} bits/dim"))
    return written


def _table(drawn: list[Drawn]) -> str:
    rows = [
        f"<tr><td>{one.seed}</td><td>{one.scored.likelihood.bits_per_dim:.3f}</td>"
        f"<td>{one.scored.likelihood.log_prob:.1f}</td></tr>"
        for one in drawn
    ]
    head = "<tr><th>seed</th><th>bits per dimension</th><th>log-probability, nats</th></tr>"
    return f"<table><caption>How likely the model finds each, given the prompt</caption>{head}{''.join(rows)}</table>"


def _details(drawn: list[Drawn]) -> list[dict[str, Any]]:
    return [
        {
            "prompt": one.prompt,
            "seed": one.seed,
            "bits_per_dim": one.scored.likelihood.bits_per_dim,
            "log_prob": one.scored.likelihood.log_prob,
            "settings": one.settings,
        }
        for one in drawn
    ]
