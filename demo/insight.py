"""The page of what only a likelihood can say: which prompt fits, how sure the model is, and which picture is odd."""

from __future__ import annotations

import gradio as gr

from . import insight_confidence, insight_match, insight_odd


def page() -> None:
    """Build the page inside the current Gradio Blocks."""
    with gr.Tabs(elem_id="insight"):
        with gr.Tab("Which prompt fits?", id="match"):
            insight_match.part()
        with gr.Tab("Which one is odd?", id="odd"):
            insight_odd.part()
        with gr.Tab("How sure is it?", id="confidence"):
            insight_confidence.part()
