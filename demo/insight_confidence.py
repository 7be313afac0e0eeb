"""The part of the page Insight that says how sure a model is of pictures, and where."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from nodes.confidence import measure
from nodes.declaration import Socket
from starflow_core.insight.heatmap import heatmap

from . import insights
from .accelerator import ONE_AT_A_TIME
from .components import THUMBNAILS, checked, component, pictures_field, seed_row
from .documented import Parameter, documented, parameter
from .errors import friendly
from .example_buttons import example_buttons, fill_in
from .fields import MODEL_NAME, PROMPT, buttons, cancels, measuring_model_field, model_parameter
from .insights import Sure
from .overlays import Overlay, overlaid, overlays
from .status import drawing, finished, status
from .steps import Done
from .unread import unread
from .uploads import all_opened

FIELDS = {given.name: given for given in measure.inputs if not isinstance(given.field, Socket)}
SETTINGS = [FIELDS["draws"], FIELDS["seed"]]
LEGEND = "yellow: the model knows what comes; violet: it does not"


def part() -> None:
    """Build this part inside the current Gradio Blocks."""
    gr.Markdown(
        "What error does the model expect of each place, before it sees what is there? Its scales say so, on one scale "
        "for all pictures. It knows plain areas, and cannot know noise."
    )
    chosen = example_buttons("confidence")
    with gr.Row():
        with gr.Column(scale=2):
            pictures = pictures_field(
                label="Pictures (drop them here)", columns=4, height=220, elem_id="sure-pictures",
                elem_classes=["thumbnails"],
            )  # fmt: skip
            about = "what the pictures are thought to show; empty for nothing in particular"
            prompt = component(PROMPT, label="Prompt", info=about, lines=1)
            go, stop = buttons("Look", "confidence")
            with gr.Accordion("More settings", open=False):
                model = measuring_model_field()
                draws, seed = component(FIELDS["draws"]), seed_row(FIELDS["seed"])
        with gr.Column(scale=3):
            told = status("Try an example, or drop pictures and press Look.")
            shown = overlays("sure")
            with gr.Accordion("As numbers and pictures", open=False):
                maps = gr.Gallery(label="Heatmaps, the surest picture first", **THUMBNAILS)
                numbers = gr.JSON(label="Confidence, the surest picture first; maps are in nats by dimension")
    parameters = [
        Parameter("pictures", list, "pictures to look at, as files"),
        Parameter("prompt", str, about),
        model_parameter(),
        *(parameter(given) for given in SETTINGS),
    ]
    purpose = "Say how sure a normalizing flow is of pictures, and where: the error that it expects of each place."
    working = go.click(
        friendly(documented(_confidence, "confidence", purpose, parameters)),
        [pictures, prompt, model, draws, seed],
        [told, shown, maps, numbers],
        api_name="confidence",
        show_progress="minimal",
        **ONE_AT_A_TIME,
    )
    cancels(stop, told, working)
    fill_in(chosen, "confidence", [pictures], "confidence")


def _confidence(files: Any, prompt: str, model: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    settings = checked(SETTINGS, values)
    checked([MODEL_NAME], [model])
    pictures = all_opened(files)
    for step in insights.confidence(pictures, PROMPT.checked(prompt), model, **settings):
        if isinstance(step, Done):
            named = zip((Path(path).name for path in files), step.result, strict=True)
            yield _results(sorted(named, key=lambda one: -one[1].confidence.score), unread(model, prompt))
        else:
            yield drawing(step.share), gr.skip(), gr.skip(), gr.skip()


def _results(ranked: list[tuple[str, Sure]], remarks: str) -> tuple[Any, ...]:
    maps = [heatmap(one.confidence.map, one.picture.size, one.confidence.bounds) for _, one in ranked]
    cards = [
        Overlay(
            one.picture,
            map,
            f"expects to be {math.exp(-one.confidence.score):.2g} off",
            f"confidence {one.confidence.score:.3f}",
            _share(one),
        )
        for map, (_, one) in zip(maps, ranked, strict=True)
    ]
    numbers = [
        {
            "picture": name,
            "confidence": one.confidence.score,
            "expected_error": math.exp(-one.confidence.score),
            "map": [[round(value, 3) for value in row] for row in one.confidence.map.tolist()],
        }
        for name, one in ranked
    ]
    least, most = (math.exp(-bound) for bound in reversed(ranked[0][1].confidence.bounds))
    told = f"Surest first. {least:.2g} off is where all but noise is known, {most:.2g} where nothing is. {remarks}"
    gallery = [(map, name) for map, (name, _) in zip(maps, ranked, strict=True)]
    return finished(told), overlaid(cards, LEGEND), gallery, numbers


def _share(one: Sure) -> float:
    """Where the confidence lies, from 0 where nothing is known to 1 where all is."""
    nothing, everything = one.confidence.bounds
    return min(1.0, max(0.0, (one.confidence.score - nothing) / (everything - nothing)))
