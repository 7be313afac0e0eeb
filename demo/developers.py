"""The page for developers: the endpoints, the tools for agents, and the nodes one by one."""

from __future__ import annotations

import gradio as gr

from . import node_panels

CODE = """<section class="code"><h3>{title}</h3><p>{told}</p><pre><code>{code}</code></pre>{more}</section>"""
PYTHON = """from gradio_client import Client

client = Client("${window.location.origin}")
pictures, table, details = client.predict(
    "a red heart", seed=5, api_name="/create")"""
AGENT = """{
  "mcpServers": {
    "starflow": { "url": "${window.location.origin}/gradio_api/mcp/" }
  }
}"""


def page() -> None:
    """Build the page inside the current Gradio Blocks."""
    with gr.Row():
        _code(
            "API",
            "Every action is an endpoint, for Python, JavaScript and curl.",
            PYTHON,
            '<a href="?view=api">All endpoints, with types and ranges</a>',
        )
        _code("MCP", "The same endpoints are tools for agents, by the Model Context Protocol.", AGENT, "")
    gr.Markdown("### Nodes")
    node_panels.page()


def _code(title: str, told: str, code: str, more: str) -> None:
    html = CODE.format(title=title, told=told, code=code, more=more)
    with gr.Column(min_width=280):
        gr.HTML("", html_template=html, js_on_load=None)
