"""The part of the page Insight that says which pictures are odd beside normal ones, how rare that is, and where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from nodes.anomaly import IS_ODD, fit
from nodes.declaration import Choice, Flag, Input
from starflow_core.insight.heatmap import heatmap
from starflow_core.insight.oddity import LEAST_PICTURES

from . import insights
from .accelerator import ONE_AT_A_TIME
from .components import THUMBNAILS, as_given, checked, component, pictures_field
from .documented import Parameter, documented, parameter
from .errors import friendly, warn
from .example_buttons import example_buttons, fill_in
from .fields import MODEL_NAME, buttons, cancels, measuring_model_field, model_parameter
from .insights import Judged
from .known import normal_pictures
from .overlays import Overlay, clear_below, overlaid, overlays
from .status import drawing, finished, status
from .steps import Done
from .uploads import MAX_NORMAL, all_opened

KNOWN, OWN = "emoji", "my own"
NORMAL = Input("normal", Choice("what is normal", lambda: [KNOWN, OWN]), KNOWN)
CLOSELY = Input("closely", Flag("look at large pictures tile by tile, at their own resolution"), False)
RATE = next(given for given in fit.inputs if given.name == "false_positive_rate")
LEGEND = "the yellower, the odder beside normal pictures"


def part() -> None:
    """Build this part inside the current Gradio Blocks."""
    number = len(normal_pictures())
    gr.Markdown(
        f"Which pictures are **odd** beside normal ones, and where? Normal are {number} emoji that "
        f"starflow-mini-128 was not trained on, or {LEAST_PICTURES} to {MAX_NORMAL} pictures of yours. "
        "p says how rare that is: the share of normal pictures that are at least as odd."
    )
    chosen = example_buttons("odd")
    with gr.Row():
        with gr.Column(scale=2):
            pictures = pictures_field(
                label="Pictures to judge (drop them here)", columns=4, height=220, elem_id="judged-pictures",
                elem_classes=["thumbnails"],
            )  # fmt: skip
            kind = gr.Radio([KNOWN, OWN], value=KNOWN, label="normal are", elem_id="normal-kind")
            kind.preprocess = as_given  # type: ignore[method-assign]  # `checked` names the field in its messages
            own = pictures_field(
                label="Normal pictures (drop them here)", columns=4, height=220, elem_id="normal-pictures",
                elem_classes=["thumbnails"], visible=False,
            )  # fmt: skip
            go, stop = buttons("Judge", "judge")
            with gr.Accordion("More settings", open=False):
                model = measuring_model_field()
                rate, closely = component(RATE), component(CLOSELY)
        with gr.Column(scale=3):
            told = status("Try an example, or drop pictures and press Judge.")
            shown = overlays("judged")
            with gr.Accordion("As numbers and pictures", open=False):
                maps = gr.Gallery(label="Heatmaps, the oddest picture first", **THUMBNAILS)
                numbers = gr.JSON(label="The oddest picture first; maps are in standard deviations")
    kind.change(lambda chosen: gr.update(visible=chosen == OWN), kind, own, queue=False, api_visibility="private")
    parameters = [
        Parameter("pictures", list, "pictures to judge, as files"),
        Parameter("normal", str, f"{KNOWN} for those of the page, {OWN} for `normal_pictures`"),
        Parameter("normal_pictures", list, f"as files, {LEAST_PICTURES} to {MAX_NORMAL}; none for {KNOWN}"),
        model_parameter(),
        parameter(RATE),
        parameter(CLOSELY),
    ]
    purpose = "Say which pictures are odd beside normal ones, how rare that is, and where, by a normalizing flow."
    working = go.click(
        friendly(documented(_judge, "odd", purpose, parameters)),
        [pictures, kind, own, model, rate, closely],
        [told, shown, maps, numbers],
        api_name="odd",
        show_progress="minimal",
        **ONE_AT_A_TIME,
    )
    cancels(stop, told, working)
    fill_in(chosen, "odd", [pictures], "judge")


def _judge(files: Any, kind: str, own: Any, model: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    settings = checked([NORMAL, RATE, CLOSELY], [kind, *values])
    checked([MODEL_NAME], [model])
    pictures = all_opened(files)
    normal = _own(own) if settings["normal"] == OWN else []
    for step in insights.judge(pictures, normal, model, settings["closely"], warn):
        if isinstance(step, Done):
            named = zip((Path(path).name for path in files), step.result, strict=True)
            yield _results(sorted(named, key=lambda one: -one[1].oddity.score), settings["false_positive_rate"])
        else:
            yield drawing(step.share), gr.skip(), gr.skip(), gr.skip()


def _own(files: Any) -> list[Any]:
    """Read a visitor's normal pictures.

    Raises:
        ValueError: there are too few or too many, or one cannot be read.
    """
    if not files or len(files) < LEAST_PICTURES:
        raise ValueError(
            f"{len(files or [])} normal pictures cannot show what is normal; drop {LEAST_PICTURES} at least, better "
            f"{MAX_NORMAL}, or choose {KNOWN}."
        )
    return all_opened(files, most=MAX_NORMAL)


def _results(ranked: list[tuple[str, Judged]], rate: float) -> tuple[Any, ...]:
    maps = [heatmap(one.oddity.map, one.picture.size, (0.0, IS_ODD)) for _, one in ranked]
    odd = [one.oddity.p_value <= rate for _, one in ranked]
    cards = [
        Overlay(
            one.picture,
            clear_below(map, one.oddity.map / IS_ODD),
            _words(one),
            f"p {one.oddity.p_value:.2g} · score {one.oddity.score:.1f}",
            1 - one.oddity.p_value,
            "odd" if is_odd else "normal",
        )
        for map, is_odd, (_, one) in zip(maps, odd, ranked, strict=True)
    ]
    numbers = [
        {
            "picture": name,
            "score": one.oddity.score,
            "p_value": one.oddity.p_value,
            "is_odd": is_odd,
            "map": [[round(value, 3) for value in row] for row in one.oddity.map.tolist()],
        }
        for is_odd, (name, one) in zip(odd, ranked, strict=True)
    ]
    gallery = [(map, name) for map, (name, _) in zip(maps, ranked, strict=True)]
    return finished(_told(ranked, odd, rate)), overlaid(cards, LEGEND), gallery, numbers


def _told(ranked: list[tuple[str, Judged]], odd: list[bool], rate: float) -> str:
    number = ranked[0][1].normal
    told = f"<b>{sum(odd)} of {len(odd)}</b> odd, at p up to {rate:g}. The oddest first."
    if 1 / (1 + number) > rate:
        told += f" {number} normal pictures give no p below {1 / (1 + number):.2g}, so none counts as odd; drop more."
    return told


def _words(one: Judged) -> str:
    """How many normal pictures are as odd."""
    as_odd = round(one.oddity.p_value * (1 + one.normal)) - 1
    return f"{as_odd or 'none'} of {one.normal} normal ones {'is' if as_odd <= 1 else 'are'} as odd"
