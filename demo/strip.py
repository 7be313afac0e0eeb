"""The example strip on the first page: a drawn picture, its likelihood map, its noise, and the picture from the noise.

`python tools/save_strip.py` makes its files with the embedded model. Run it again when that model changes.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from .pictures import shown_address

FOLDER = Path(__file__).parent / "strip"
FACTS = FOLDER / "strip.json"


def strip() -> Any:
    """Add the strip to the current Gradio Blocks."""
    return gr.HTML(_html(json.loads(FACTS.read_text(encoding="utf-8"))), elem_id="strip")


def _html(facts: dict[str, Any]) -> str:
    prompt = html.escape(facts["prompt"])
    steps = {
        "picture": ("Drawn", f"“{prompt}”, seed {facts['seed']}"),
        "likelihood": ("Its likelihood", f"{html.escape(facts['in_words'])}; yellow is likely"),
        "noise": ("Its noise", f"all {facts['numbers']:,} numbers of it"),
        "back": ("And back", f"the flow's error is {facts['error']:.0e}"),
    }
    tiles = "".join(
        f'<figure><img src="{_address(name)}" alt="{title.lower()}: {told}"><figcaption><b>{title}</b>'
        f"<span>{told}</span></figcaption></figure>"
        for name, (title, told) in steps.items()
    )
    return (
        f'<section aria-label="What this is"><div class="strip">{tiles}</div>'
        f"<p>One network does all four. It drew this with <code>{html.escape(facts['command'])}</code></p></section>"
    )


def _address(name: str) -> str:
    with Image.open(FOLDER / f"{name}.png") as picture:
        return shown_address(picture.convert("RGB"))
