"""A line that says how work stands, read out by screen readers as it changes."""

from __future__ import annotations

from typing import Any

import gradio as gr

CLASS = "status"  # made a live region when the page has loaded, see site.py


def status(text: str = "") -> Any:
    return gr.HTML(finished(text), elem_classes=[CLASS], padding=False)


def finished(html: str) -> str:
    return f"<div>{html}</div>"


def drawing(share: float) -> str:
    """How far it is, in words and as a bar."""
    percent = round(100 * share)
    return f'<div><progress max="100" value="{percent}" aria-label="progress"></progress> {percent} %</div>'
