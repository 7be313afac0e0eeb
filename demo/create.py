"""The first page: a prompt becomes pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr

from nodes.declaration import Input

from . import actions
from .accelerator import ONE_AT_A_TIME
from .actions import Drawn
from .cards import cards, drawing_cards, drawn_cards
from .components import checked, component, seed_row
from .create_endpoint import NEGATIVE, SETTINGS, details_of, table_of
from .errors import friendly
from .fields import MODEL_NAME, PROMPT, cancels, model_field
from .status import drawing, finished, status
from .steps import Done
from .strip import strip
from .unread import unread

EXAMPLES = ("a red heart", "owl", "cat face", "sunflower", "hamburger", "green frog", "panda", "rainbow")
PICTURES = 4  # the default number: enough to compare
SCRIPT = """element.addEventListener("click", (event) => {
    const chip = event.target.closest("button");
    if (!chip) return;
    starflow.sent = chip.textContent;
    trigger("choose", {});
})"""
PRIVATE: dict[str, Any] = {"queue": False, "api_visibility": "private"}


class CreatePage(NamedTuple):
    """The components of this page that other modules use.

    Attributes:
        cards: the drawn pictures; their events send a picture to another page.
        fields: the declaration and the component of each field.
    """

    cards: gr.HTML
    fields: list[tuple[Input, Any]]


def page() -> CreatePage:
    """Build the page inside the current Gradio Blocks."""
    with gr.Row(elem_id="bar"):
        prompt = component(
            PROMPT, label="Prompt", info=None, lines=1, max_lines=1, placeholder="What shall it draw?",
            autofocus=True, elem_id="prompt", show_label=False, container=False, scale=5,
        )  # fmt: skip
        go = gr.Button("Draw", variant="primary", elem_id="draw", scale=0)
        stop = gr.Button("Stop", variant="stop", elem_id="stop", scale=0)
    chips = gr.HTML(
        "".join(f'<button type="button">{text}</button>' for text in EXAMPLES), js_on_load=SCRIPT, elem_id="examples"
    )
    told = status()
    shown = cards()
    strip()
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        keep, settings = _settings()
    with gr.Accordion("As numbers", open=False, elem_id="numbers"):
        table = status()
        details = gr.JSON(label="Settings, seeds and likelihoods; every PNG carries them as well")
    names = [name for name in settings if name != "seed"]
    defaults = {name: settings[name].value for name in names}
    begin = (
        f"(prompt, seed, keep, ...values) => starflow.begin(prompt, seed, keep, Object.fromEntries("
        f"{json.dumps(names)}.map((name, i) => [name, values[i]])), {json.dumps(defaults)})"
    )
    chosen = chips.choose(None, outputs=prompt, js="() => starflow.sent", **PRIVATE)
    chosen.then(None, js="() => starflow.press('draw')", **PRIVATE)
    begun = gr.on(
        [go.click, prompt.submit], None, [prompt, settings["seed"], keep, *(settings[n] for n in names)],
        settings["seed"], js=begin, **PRIVATE,
    )  # fmt: skip
    working = begun.then(
        friendly(_draw_with(defaults)),
        [prompt, *settings.values()],
        [shown, told, table, details],
        show_progress="hidden",
        api_visibility="private",
        **ONE_AT_A_TIME,
    )
    for ended in (working.then, working.failure):
        ended(None, js="() => starflow.busy(false)", **PRIVATE)
    cancels(stop, told, working, said="Stopped.")
    filled = [(given, settings[given.name]) for given in (MODEL_NAME, NEGATIVE, *SETTINGS)]
    return CreatePage(shown, [(PROMPT_OF_ADDRESS, prompt), *filled])


PROMPT_OF_ADDRESS = Input("prompt", PROMPT.field, "")


def _settings() -> tuple[Any, dict[str, Any]]:
    """Build the fields; return the box that keeps the seed, and all others but the prompt, by name.

    The fields have the order of the endpoint's parameters.
    """
    by_name = {given.name: given for given in SETTINGS}
    made: dict[str, Any] = {}
    with gr.Row():
        with gr.Column(min_width=220):
            made["batch_size"] = component(by_name["batch_size"], label="pictures", value=PICTURES)
            made["aspect_ratio"] = component(by_name["aspect_ratio"])
        with gr.Column(min_width=220):
            made["seed"] = seed_row(by_name["seed"])
            keep = gr.Checkbox(False, label="keep seed", info="otherwise each drawing throws the dice", elem_id="keep")
        with gr.Column(min_width=220):
            made["guidance"] = component(by_name["guidance"])
            made["model"] = model_field()
    with gr.Accordion("More settings", open=False):
        made["negative"] = component(NEGATIVE, lines=1)
        for given in SETTINGS:
            if given.name not in made:
                made[given.name] = component(given)
    return keep, {name: made[name] for name in ("model", "negative", *by_name)}


def _draw_with(defaults: dict[str, Any]) -> Any:
    def draw(prompt: str, model: str, negative: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        chosen = checked([MODEL_NAME, NEGATIVE, *SETTINGS], [model, negative, *values])
        wanted = PROMPT_OF_ADDRESS.checked(prompt)
        sampling = {given.name: chosen[given.name] for given in SETTINGS}
        for step in actions.draw(wanted, chosen["negative"], model, sampling):
            if isinstance(step, Done):
                links = {name: value for name, value in chosen.items() if name != "seed"}
                told = finished(" ".join(filter(None, (_told(step.result), unread(model, wanted, negative)))))
                yield drawn_cards(step.result, links, defaults), told, table_of(step.result), details_of(step.result)
            else:
                preview = gr.skip() if step.pictures is None else drawing_cards(step.pictures, wanted)
                yield preview, drawing(step.share), gr.skip(), gr.skip()

    return draw


def _told(drawn: list[Drawn]) -> str:
    first, last = drawn[0].seed, drawn[-1].seed
    return f"One picture, seed {first}." if len(drawn) == 1 else f"{len(drawn)} pictures, seeds {first} to {last}."
