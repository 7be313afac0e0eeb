"""The page that scores pictures by their likelihood and ranks them."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from nodes.declaration import Socket
from nodes.likelihood import Scored, in_words, likelihood
from starflow_core.insight.heatmap import heatmap

from . import actions
from .accelerator import ONE_AT_A_TIME
from .components import THUMBNAILS, checked, component, pictures_field, seed_row
from .documented import Parameter, documented, parameter
from .errors import friendly
from .fields import MODEL_NAME, PROMPT, buttons, cancels, model_field, model_parameter
from .likelihood_view import described, likelihood_view
from .status import drawing, finished, status
from .steps import Done
from .unread import unread
from .uploads import all_opened

SETTINGS = [given for given in likelihood.inputs if not isinstance(given.field, Socket)]


class LikelihoodPage(NamedTuple):
    """The fields of this page that the first page fills in when it sends a picture."""

    pictures: gr.Gallery
    prompt: gr.Textbox
    model: gr.Dropdown


def page() -> LikelihoodPage:
    """Build the page inside the current Gradio Blocks."""
    gr.Markdown(
        "How likely does the model find a picture, and **where is it odd**? Drop one, or several to rank them. "
        "Yellow is likely, violet is not. Fewer bits per dimension are likelier; they are below 0 where a density is "
        "above 1."
    )
    with gr.Row():
        with gr.Column(scale=2):
            pictures = pictures_field(
                label="Pictures (drop them here)", columns=4, height=220, elem_id="scored-pictures",
                elem_classes=["thumbnails"],
            )  # fmt: skip
            told = "what the pictures are thought to show; empty for nothing in particular"
            prompt = component(PROMPT, label="Prompt", info=told, lines=1, elem_id="scored-prompt")
            go, stop = buttons("Measure", "measure")
            with gr.Accordion("More settings", open=False):
                model = model_field()
                fields = {given.name: given for given in SETTINGS}
                draws, seed = component(fields["draws"]), seed_row(fields["seed"])
        with gr.Column(scale=3):
            view = likelihood_view()
            ranking = status("Drop a picture, and press Measure.")
            maps = gr.Gallery(label="Heatmaps, likeliest picture first", **THUMBNAILS)
            with gr.Accordion("As numbers", open=False):
                numbers = gr.JSON(label="Likelihoods, likeliest first; maps are in nats by place")
    parameters = [
        Parameter("pictures", list, "pictures to score, as files"),
        Parameter("prompt", str, told),
        model_parameter(),
        *(parameter(given) for given in SETTINGS),
    ]
    purpose = "Measure how likely a normalizing flow finds pictures, and where, and rank them."
    measuring = go.click(
        friendly(documented(_measure, "likelihood", purpose, parameters)),
        [pictures, prompt, model, draws, seed],
        [view, ranking, maps, numbers],
        api_name="likelihood",
        show_progress="minimal",
        **ONE_AT_A_TIME,
    )
    cancels(stop, ranking, measuring)
    return LikelihoodPage(pictures, prompt, model)


def _measure(files: Any, prompt: str, model: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    settings = checked(SETTINGS, values)
    checked([MODEL_NAME], [model])
    pictures = all_opened(files)
    for step in actions.score(pictures, PROMPT.checked(prompt), model, settings["draws"], settings["seed"]):
        if isinstance(step, Done):
            names = [Path(path).name for path in files]
            yield _results(sorted(zip(names, step.result, strict=True), key=_bits_per_dim), unread(model, prompt))
        else:
            yield gr.skip(), drawing(step.share), gr.skip(), gr.skip()


def _bits_per_dim(named: tuple[str, Scored]) -> float:
    return named[1].likelihood.bits_per_dim


def _results(ranked: list[tuple[str, Scored]], remarks: str) -> tuple[Any, ...]:
    scored = [one for _, one in ranked]
    maps = [(heatmap(one.likelihood.map, one.picture.size), name) for name, one in ranked]
    numbers = [{"picture": name, **one.described()} for name, one in ranked]
    for entry in numbers:
        del entry["stops"]
    return json.dumps(described(scored)), finished(_table(ranked) + remarks), maps, numbers


def _table(ranked: list[tuple[str, Scored]]) -> str:
    rows = []
    for place, (name, one) in enumerate(ranked, 1):
        found = one.likelihood
        error = f" ± {found.standard_error:.1f}" if len(found.draws) > 1 else ""
        rows.append(
            f"<tr><td>{place}</td><td>{html.escape(name)}</td><td>{html.escape(in_words(found)) or '–'}</td>"
            f"<td>{found.bits_per_dim:.4f}</td>"
            f"<td>{found.log_prob:.1f}{error}</td></tr>"
        )
    head = (
        "<tr><th>place</th><th>picture</th><th>how likely</th><th>bits per dimension</th>"
        "<th>log-probability, nats</th></tr>"
    )
    return f"<table><caption>Likeliest first</caption>{head}{''.join(rows)}</table>"
