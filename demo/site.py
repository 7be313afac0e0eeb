"""The whole site: it builds all pages and serves them."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path
from typing import Any

import gradio as gr

from starflow_core.weights.model_folder import DEFAULT_MODEL

from . import create, create_endpoint, developers, edit, insight, inversion, likelihood, node_panels
from .address import TABS, address, arrives
from .doors import Doors
from .folder import own_folder
from .models import MODELS
from .visitors import UPLOADS

TITLE = "STARFlow: pictures with a likelihood"
INTRODUCTION = """<h1>STARFlow</h1>
<p>A <em>normalizing flow</em> draws what you ask for, says how likely it finds any picture, and takes it to noise and
back without loss.</p>"""
FOOTER = """The code is Apache-2.0, and so are the embedded models, trained on Noto Emoji (Apache-2.0) and Twemoji
(CC-BY 4.0). Weights that Apple published are for research only; where they are installed, that is said beside them."""
FOLDER = Path(__file__).parent
CSS, SCRIPT = FOLDER / "style.css", FOLDER / "web" / "page.js"
FONT, FONT_MONO = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")  # of the browser: no download
WAITING = 200  # requests in the queue; further ones are refused
HOUR = 3600
IN_BROWSER: dict[str, Any] = {"queue": False, "api_visibility": "private"}


def build() -> Doors:
    """Build all pages."""
    # Gradio deletes pictures that are older than an hour.
    with Doors(title=TITLE, analytics_enabled=False, delete_cache=(HOUR // 4, HOUR), fill_width=False) as site:
        gr.HTML(INTRODUCTION, elem_id="introduction")
        with gr.Tabs(elem_id="pages", overflow_behavior="wrap") as tabs:
            with gr.Tab("Create", id="create") as create_tab:
                drawn = create.page()
            with gr.Tab("Likelihood", id="likelihood") as likelihood_tab:
                measured = likelihood.page()
            with gr.Tab("Insight", id="insight") as insight_tab:
                insight.page()
            with gr.Tab("Noise and back", id="back") as back_tab:
                inverted = inversion.page()
            with gr.Tab("Edit", id="edit") as edit_tab:
                edit.page()
            with gr.Tab("For developers", id="developers") as developers_tab:
                developers.page()
        create_endpoint.endpoint()
        gr.Markdown(FOOTER, elem_id="footer")
        every = (create_tab, likelihood_tab, insight_tab, back_tab, edit_tab, developers_tab)
        for name, tab in zip(TABS, every, strict=True):
            tab.select(None, js=f"() => starflow.tab({name!r}, {TABS[0]!r})", **IN_BROWSER)
        arrives(address(), tabs, drawn.fields)
        _sends(drawn.cards.odd, [*measured, tabs], "[{ image: file, caption: null }]", "likelihood", "measure", "")
        _sends(drawn.cards.back, [*inverted, tabs], "file", "back", "invert", "")
        _sends(drawn.cards.vary, [*inverted, tabs], "file", "back", "invert", "variations")
        site.unload(_leave)
    # With `api_open=False`, no request can bypass the queue.
    return site.queue(max_size=WAITING, default_concurrency_limit=8, api_open=False)


def _leave(request: gr.Request) -> None:
    """Drop the handles and uploads of a page that was closed."""
    node_panels.leave(request)
    UPLOADS.left(str(request.session_hash))


def _sends(event: Any, fields: list[Any], file: str, page: str, button: str, result: str) -> None:
    """Make an event of the drawn pictures open a page, fill in the picture, its prompt and model, and press a button.

    The browser uploads the picture, as it uploads one that a visitor chose.
    """
    opened = f'{{ __type__: "update", selected: "{page}" }}'
    taken = f"() => {{ const {{ file, prompt, model }} = starflow.sent; return [{file}, prompt, model, {opened}]; }}"
    sent = event(None, outputs=fields, js=taken, **IN_BROWSER)
    sent.then(None, js=f"() => starflow.press({button!r}, {result!r})", **IN_BROWSER)


def theme() -> gr.themes.Base:
    """Return a plain Gradio theme with one accent colour and with enough contrast for readable text."""
    return gr.themes.Base(
        primary_hue="teal", secondary_hue="teal", neutral_hue="stone", font=FONT, font_mono=FONT_MONO, radius_size="lg"
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="0px",
        block_shadow="none",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        button_primary_text_color="white",
        color_accent="*primary_700",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        slider_color="*primary_700",
        slider_color_dark="*primary_500",
    )


def launch_options() -> dict[str, Any]:
    """Return the arguments of `launch`, except host and port."""
    return {
        "theme": theme(),
        "css": CSS.read_text(encoding="utf-8"),
        "head": f"<script>{SCRIPT.read_text(encoding='utf-8')}</script>",
        "js": "() => starflow.live()",
        "footer_links": [],  # the page for developers has these links
        "state_session_capacity": 1000,
        "mcp_server": True,
        "ssr_mode": False,  # server-side rendering needs Node.js, and does not make the first page faster here
    }


def main() -> None:
    """Run the command `python app.py`."""
    parser = argparse.ArgumentParser(prog="app.py", description="The STARFlow nodes in a browser.")
    parser.add_argument(
        "--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), help="address to listen at"
    )
    parser.add_argument("--port", type=int, help="to listen at; the first free one from 7860 by default")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt), own_folder():  # removes uploads and pictures at the end
        from . import agents  # only now: it imports gradio.mcp, which reads the folder's name

        agents.install()
        MODELS.load(DEFAULT_MODEL, "default")  # before the first visitor asks for it
        build().launch(server_name=options.host, server_port=options.port, **launch_options())
