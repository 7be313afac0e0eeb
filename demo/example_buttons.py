"""Buttons that fill in pictures to try a part of the page Insight with, and press its button."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import gradio as gr

from .errors import friendly
from .known import Example, examples
from .pictures import preview_address

SHOWN = 3  # pictures on a button
SIDE = 64  # of these, in pixels
SCRIPT = """element.addEventListener("click", (event) => {
    const chosen = event.target.closest("button");
    if (!chosen) return;
    starflow.sent = Number(chosen.dataset.place);
    trigger("choose", {});
})"""
PRIVATE: dict[str, Any] = {"queue": False, "api_visibility": "private"}


def example_buttons(part: str) -> Any:
    """Add the buttons of a part's examples to the current Gradio Blocks; return their component."""
    made = "".join(_button(place, one) for place, one in enumerate(examples(part)))
    return gr.HTML(made, js_on_load=SCRIPT, elem_classes=["example-buttons"])


def fill_in(chosen: Any, part: str, fields: Sequence[Any], button: str) -> None:
    """Make the buttons fill in the fields, one for pictures and perhaps one for prompts, and press a button."""
    place = gr.Number(visible=False, precision=0)

    def filled(number: Any) -> Any:
        found = examples(part)
        if not isinstance(number, (int, float)) or not 0 <= number < len(found):
            raise ValueError("There is no such example.")
        one = found[int(number)]
        pictures: Any = list(one.pictures) if isinstance(fields[0], gr.Gallery) else one.pictures[0]
        return [pictures, one.prompts] if len(fields) > 1 else pictures

    picked = chosen.choose(None, outputs=place, js="() => starflow.sent", **PRIVATE)
    done = picked.then(friendly(filled), place, list(fields), show_progress="hidden", **PRIVATE)
    done.success(None, js=f"() => starflow.press({button!r})", **PRIVATE)


def _button(place: int, one: Example) -> str:
    pictures = []
    for picture in one.pictures[-SHOWN:]:
        small = picture.copy()
        small.thumbnail((SIDE, SIDE))
        pictures.append(f'<img src="{preview_address(small)}" alt="">')
    return (
        f'<button type="button" data-place="{place}">{"".join(pictures)}<span>{html.escape(one.label)}</span></button>'
    )
