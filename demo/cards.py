"""The drawn pictures on the first page, each with its likelihood in words and buttons for further actions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from nodes.likelihood import in_words
from starflow_core.cli.files import file_stem
from starflow_core.insight.likelihood import Likelihood
from starflow_core.png_text import png_text

from .actions import Drawn
from .gauge import Gauge, gauges
from .icons import icon
from .pictures import png_address, shown_address

SCRIPT = Path(__file__).parent / "web" / "cards.js"
EVENTS = {
    "odd": "Where is it odd?",
    "back": "Noise and back",
    "vary": "Vary",
}  # the names of the component's events, with their labels


def cards() -> Any:
    """Return the component; its value is the JSON text that `drawing_cards` or `drawn_cards` returns."""
    script = f"const TEMPLATE = {json.dumps(_template())};\n{SCRIPT.read_text(encoding='utf-8')}"
    return gr.HTML(
        "",
        label="Pictures",
        html_template='<div class="cards"></div>',
        js_on_load=f"{script}\n// {[*EVENTS]}",  # Gradio finds the names of a component's events in its script
        elem_id="pictures",
    )


def _template() -> str:
    """Return the HTML of an empty card; web/cards.js fills it in."""
    goes = "".join(
        f'<button type="button" data-action="{name}" title="{words}" aria-label="{words}">{icon(name)}'
        f"<span>{words}</span></button>"
        for name, words in EVENTS.items()
    )
    return (
        '<div class="frame"><img alt="">'
        '<div class="keep">'
        f'<a data-action="download" title="Download" aria-label="Download">{icon("download")}</a>'
        f'<button type="button" data-action="link" title="Copy link" aria-label="Copy link">{icon("link")}</button>'
        "</div>"
        f'<div class="goes">{goes}</div><span class="told" role="status"></span></div>'
        '<figcaption><div class="gauge" aria-hidden="true"><div></div></div><div class="words"></div>'
        '<div class="standing"></div><div class="numbers"></div></figcaption>'
    )


def drawing_cards(pictures: Sequence[Image.Image], prompt: str) -> str:
    """Return the component's value while the pictures are being drawn."""
    return json.dumps(
        {"pictures": [{"shown": shown_address(one), "alt": f"{prompt}, being drawn"} for one in pictures]}
    )


def drawn_cards(drawn: Sequence[Drawn], chosen: dict[str, Any], defaults: dict[str, Any]) -> str:
    """Return the component's value when the pictures are finished.

    Links to the pictures name those settings in `chosen` that differ from `defaults`.
    """
    found = [one.scored.likelihood for one in drawn]
    pictures = [
        {
            "shown": shown_address(one.picture),
            "file": png_address(one.picture, png_text(one.prompt, one.seed, one.settings)),
            "name": f"{file_stem(one.prompt, one.seed)}.png",
            "alt": f"{one.prompt or 'a picture'}, seed {one.seed}",
            "seed": one.seed,
            **_words(gauge, one.scored.likelihood, alone=len(drawn) == 1),
            "share": gauge.share,
            "bits": f"{one.scored.likelihood.bits_per_dim:.3f}",
        }
        for one, gauge in zip(drawn, gauges(found), strict=True)
    ]
    return json.dumps({"prompt": drawn[0].prompt, "settings": chosen, "defaults": defaults, "pictures": pictures})


def _words(gauge: Gauge, found: Likelihood, *, alone: bool) -> dict[str, str]:
    """Return how likely a picture is beside the others of its run, and beside those that the model has learnt."""
    standing = in_words(found)
    return {"words": standing, "standing": ""} if alone and standing else {"words": gauge.words, "standing": standing}
