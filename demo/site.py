"""All pages together, and how they are served."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from starflow_core.weights.model_folder import DEFAULT_MODEL

from . import create, inversion, likelihood, node_panels
from .models import MODELS
from .uploads import MAX_FILE

TITLE = "STARFlow: pictures with a likelihood"
INTRODUCTION = """# STARFlow
Type what you want to see and press **Draw**. A *normalizing flow* draws it, and, unlike a diffusion model, also tells
**how likely** it finds any picture, and takes it **to noise and back without loss**. Everything runs on this machine.
"""
FOOTER = """The code is Apache-2.0, and so are the embedded models, trained on Noto Emoji (Apache-2.0) and Twemoji
(CC-BY 4.0). Weights that Apple published are for research only; where they are installed, that is said beside them."""
CSS = Path(__file__).parent / "style.css"
FONT, FONT_MONO = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")  # the browser's own: nothing is fetched
LIVE = """() => document.querySelectorAll(".status").forEach((line) => {
    line.setAttribute("role", "status");
    line.setAttribute("aria-live", "polite");
})"""
WAITING = 200  # requests, before further ones are sent away
HOUR = 3600


def build() -> gr.Blocks:
    """The pages."""
    # Pictures are kept for an hour.
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(HOUR // 4, HOUR), fill_width=False) as site:
        gr.Markdown(INTRODUCTION, elem_id="introduction")
        with gr.Tabs(elem_id="pages") as tabs:
            with gr.Tab("Create", id="create"):
                drawn = create.page()
            with gr.Tab("Likelihood", id="likelihood"):
                measured = likelihood.page()
            with gr.Tab("Invert", id="invert"):
                inverted = inversion.page()
            with gr.Tab("Nodes", id="nodes"):
                node_panels.page()
        gr.Markdown(FOOTER, elem_id="footer")
        given: dict[str, Any] = {"inputs": [drawn.gallery, drawn.prompt, drawn.model], "api_visibility": "private"}
        drawn.measure.click(_all_pictures, outputs=[*measured, tabs], queue=False, **given)
        drawn.invert.click(_first_picture, outputs=[*inverted, tabs], queue=False, **given)
        site.unload(node_panels.leave)
    return site.queue(max_size=WAITING, default_concurrency_limit=8)


def _all_pictures(gallery: Any, prompt: str, model: str) -> tuple[Any, ...]:
    return _files(gallery), prompt, model, gr.Tabs(selected="likelihood")


def _first_picture(gallery: Any, prompt: str, model: str) -> tuple[Any, ...]:
    return _files(gallery)[0], prompt, model, gr.Tabs(selected="invert")


def _files(gallery: Any) -> list[str]:
    if not gallery:
        raise gr.Error("Draw something first.", print_exception=False)
    return [path for path, _ in gallery]


def theme() -> gr.themes.Base:
    """Gradio's, with text that stands out enough to be read by most people."""
    return gr.themes.Soft(primary_hue="indigo", font=FONT, font_mono=FONT_MONO).set(
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_700",
        color_accent="*primary_600",
        block_label_text_color="*primary_700",
        block_label_text_color_dark="white",
        block_title_text_color="*primary_700",
        block_title_text_color_dark="white",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
    )


def launch_options() -> dict[str, Any]:
    """How the pages are served, wherever that is."""
    return {
        "theme": theme(),
        "css": CSS.read_text(),
        "js": LIVE,
        "max_file_size": MAX_FILE,
        "footer_links": ["api", "settings"],
        "state_session_capacity": 1000,
        "mcp_server": True,
        "ssr_mode": False,  # it would need Node.js, and makes the first page no faster here
        "enable_monitoring": False,
    }


def main() -> None:
    """`python app.py`."""
    parser = argparse.ArgumentParser(prog="app.py", description="The STARFlow nodes in a browser.")
    parser.add_argument(
        "--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), help="address to listen at"
    )
    parser.add_argument("--port", type=int, help="to listen at; the first free one from 7860 by default")
    options = parser.parse_args()
    MODELS.load(DEFAULT_MODEL, "default")  # before the first visitor asks for it
    with tempfile.TemporaryDirectory(prefix="starflow-demo-") as folder:
        os.environ.setdefault("GRADIO_TEMP_DIR", folder)  # uploads and pictures, gone with this program
        build().launch(server_name=options.host, server_port=options.port, **launch_options())
