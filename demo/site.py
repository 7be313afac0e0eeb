"""All pages together, and how they are served."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path
from typing import Any

import gradio as gr

from starflow_core.weights.model_folder import DEFAULT_MODEL

from . import create, inversion, likelihood, node_panels
from .doors import Doors
from .folder import own_folder
from .models import MODELS
from .visitors import UPLOADS

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


def build() -> Doors:
    """The pages."""
    # Pictures are kept for an hour.
    with Doors(title=TITLE, analytics_enabled=False, delete_cache=(HOUR // 4, HOUR), fill_width=False) as site:
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
        drawn.measure.click(None, outputs=[*measured, tabs], js=_sent("gallery", "likelihood"), queue=False, **given)
        drawn.invert.click(
            None, outputs=[*inverted, tabs], js=_sent("gallery[0].image", "invert"), queue=False, **given
        )
        site.unload(_leave)
    # Nothing that computes is had by going past the queue.
    return site.queue(max_size=WAITING, default_concurrency_limit=8, api_open=False)


def _leave(request: gr.Request) -> None:
    """A page is closed: let go of what its visitor kept and uploaded."""
    node_panels.leave(request)
    UPLOADS.left(str(request.session_hash))


def _sent(pictures: str, page: str) -> str:
    """What the browser does to send drawn pictures to another page; no path of a file comes back from there."""
    opened = f'{{ __type__: "update", selected: "{page}" }}'
    return f"(gallery, prompt, model) => [gallery?.length ? {pictures} : null, prompt, model, {opened}]"


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
        "footer_links": ["api", "settings"],
        "state_session_capacity": 1000,
        "mcp_server": True,
        "ssr_mode": False,  # it would need Node.js, and makes the first page no faster here
    }


def main() -> None:
    """`python app.py`."""
    parser = argparse.ArgumentParser(prog="app.py", description="The STARFlow nodes in a browser.")
    parser.add_argument(
        "--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), help="address to listen at"
    )
    parser.add_argument("--port", type=int, help="to listen at; the first free one from 7860 by default")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt), own_folder():  # uploads and pictures, gone with this program
        MODELS.load(DEFAULT_MODEL, "default")  # before the first visitor asks for it
        build().launch(server_name=options.host, server_port=options.port, **launch_options())
