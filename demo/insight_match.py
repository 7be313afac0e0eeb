"""The part of the page Insight that compares how well prompts explain a picture, and where."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from nodes.declaration import Socket
from nodes.match import match_prompts
from starflow_core.insight.heatmap import heatmap, value_range

from . import insights
from .accelerator import ONE_AT_A_TIME
from .components import THUMBNAILS, checked, component, picture_field, seed_row
from .documented import Parameter, documented, parameter
from .errors import friendly, warn
from .example_buttons import example_buttons, fill_in
from .fields import MODEL_NAME, buttons, cancels, measuring_model_field, model_parameter
from .insights import Matched
from .overlays import Overlay, overlaid, overlays
from .status import drawing, finished, status
from .steps import Done
from .uploads import opened

FIELDS = {given.name: given for given in match_prompts.inputs if not isinstance(given.field, Socket)}
PROMPTS, SETTINGS = FIELDS["prompts"], [FIELDS["draws"], FIELDS["seed"]]
SHOWN = 8  # prompts with a map, at most; the numbers have all
LEGEND = "yellow: explained by the prompt; violet: not, or contradicted"


def part() -> None:
    """Build this part inside the current Gradio Blocks."""
    gr.Markdown(
        "By how much does each prompt make the picture likelier than no prompt does, and **where**? It takes two "
        "exact likelihoods a prompt, under the same noise."
    )
    chosen = example_buttons("match")
    with gr.Row():
        with gr.Column(scale=2):
            picture = picture_field(label="Picture (drop one here)", height=240, elem_id="matched-picture")
            prompts = component(PROMPTS, label="Prompts", info=PROMPTS.field.help, lines=5, elem_id="matched-prompts")
            go, stop = buttons("Compare", "match")
            with gr.Accordion("More settings", open=False):
                model = measuring_model_field()
                draws, seed = component(FIELDS["draws"]), seed_row(FIELDS["seed"])
        with gr.Column(scale=3):
            told = status("Try an example, or drop a picture, write prompts, and press Compare.")
            shown = overlays("matched")
            with gr.Accordion("As numbers and pictures", open=False):
                maps = gr.Gallery(label="Heatmaps, the best prompt first", **THUMBNAILS)
                numbers = gr.JSON(label="Prompts, the best first; maps are in nats by place")
    parameters = [
        Parameter("picture", str, "the picture, as a file"),
        Parameter("prompts", str, PROMPTS.field.help),
        model_parameter(),
        *(parameter(given) for given in SETTINGS),
    ]
    purpose = "Compare how well prompts explain a picture, by the likelihood under a normalizing flow, and where."
    working = go.click(
        friendly(documented(_match, "match", purpose, parameters)),
        [picture, prompts, model, draws, seed],
        [told, shown, maps, numbers],
        api_name="match",
        show_progress="minimal",
        **ONE_AT_A_TIME,
    )
    cancels(stop, told, working)
    fill_in(chosen, "match", [picture, prompts], "match")


def _match(file: str, prompts: str, model: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    settings = checked(SETTINGS, values)
    checked([MODEL_NAME], [model])
    picture = opened(file)
    for step in insights.match(picture, PROMPTS.checked(prompts), model, tell=warn, **settings):
        if isinstance(step, Done):
            yield _results(step.result, Path(file).name)
        else:
            yield drawing(step.share), gr.skip(), gr.skip(), gr.skip()


def _results(found: Matched, name: str) -> tuple[Any, ...]:
    match, picture = found.match, found.picture
    order = match.scores.argsort(descending=True).tolist()
    between = value_range([match.maps[place] for place in order[:SHOWN]])
    maps = {place: heatmap(match.maps[place], picture.size, between) for place in order[:SHOWN]}
    cards = [
        Overlay(
            picture,
            maps[place],
            match.prompts[place],
            f"{match.posterior[place]:.1%} · {match.scores[place]:+.1f} nats",
            float(match.posterior[place]),
        )
        for place in maps
    ]
    numbers = [
        {
            "prompt": match.prompts[place],
            "score": float(match.scores[place]),
            "standard_error": None if match.standard_errors[place].isnan() else float(match.standard_errors[place]),
            "posterior": float(match.posterior[place]),
            "map": [[round(value, 3) for value in row] for row in match.maps[place].tolist()],
        }
        for place in order
    ]
    gallery = [(maps[place], match.prompts[place]) for place in maps]
    return finished(_told(found)), overlaid(cards, LEGEND), gallery, {"picture": name, "prompts": numbers}


def _told(found: Matched) -> str:
    match = found.match
    best, score = html.escape(match.best), float(match.scores.max())
    if score <= 0:
        return "None of these explains the picture: each makes it less likely than no prompt does."
    if len(match.prompts) == 1:
        return f"<b>{best}</b> makes the picture likelier, by {score:.1f} nats."
    return f"<b>{best}</b> explains it best: {float(match.posterior.max()):.1%}, if one of these is right."
