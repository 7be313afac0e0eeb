"""The heatmap over a picture, with its colour scale and the value under the pointer, as the ComfyUI pack shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from nodes.likelihood import Scored

from .pictures import shown_address

SOURCE = Path(__file__).parent.parent / "web" / "likelihood_view.js"
SHOW = """
const view = new LikelihoodView();
document.head.append(Object.assign(document.createElement("style"), { textContent: STYLE }));
const show = () => {
    const found = JSON.parse(props.value || "[]");
    element.querySelector(".likelihood-place").replaceChildren(view.root);
    if (found.length) view.show(found);
};
watch("value", show);
show();
"""


def likelihood_view() -> Any:
    """Return the component; its value is the result of `described`, as JSON text."""
    script = re.sub(r"^export ", "", SOURCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return gr.HTML(
        "[]",
        label="Likelihood map",
        html_template='<div class="likelihood-place"></div>',
        js_on_load=script + SHOW,
        elem_id="likelihood-view",
    )


def described(scored: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return pictures and their likelihoods in the form that the view takes."""
    return [{**one.described(), "source": shown_address(one.picture)} for one in scored]
