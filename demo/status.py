"""The status line of a job; screen readers read out its changes."""

from __future__ import annotations

from typing import Any

import gradio as gr

CLASS = "status"  # web/page.js makes these elements live regions when the page has loaded


# A script that takes what the line shows, and gives it back unless it is a progress.
WITHOUT_PROGRESS = "(shown) => (String(shown).includes('<progress') ? '<div></div>' : shown)"


def status(text: str = "") -> Any:
    return gr.HTML(finished(text), elem_classes=[CLASS], padding=False)


def finished(html: str) -> str:
    return f"<div>{html}</div>"


def drawing(share: float) -> str:
    """Return the progress of a drawing as HTML: a bar and a percentage."""
    percent = round(100 * share)
    return f'<div><progress max="100" value="{percent}" aria-label="progress"></progress> {percent} %</div>'
