"""The page that edits pictures through a flow's exact inverse, a tab for each way."""

from __future__ import annotations

import gradio as gr

from . import inpainting, morphing, noise_canvas


def page() -> None:
    """Build the page inside the current Gradio Blocks."""
    with gr.Tabs(elem_id="edits"):
        with gr.Tab("Draw a part anew", id="inpaint"):
            inpainting.panel()
        with gr.Tab("Morph", id="morph"):
            morphing.panel()
        with gr.Tab("Noise canvas", id="noise-canvas"):
            noise_canvas.panel()
