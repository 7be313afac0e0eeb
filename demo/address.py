"""The query of the page's address: the open tab, the prompt, the seed, and each setting that is not the default.

`?tab=likelihood` opens a tab; `?prompt=owl&seed=5&guidance=3` draws.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from nodes.declaration import Flag, Input, Number, Seed

from .errors import warn
from .limits import here

SCRIPT = Path(__file__).parent / "web" / "address.js"
TABS = ("create", "likelihood", "insight", "back", "edit", "developers")


def address() -> Any:
    """Return a hidden component; its event `arrive` says that the address has a query."""
    return gr.HTML("", html_template="", js_on_load=SCRIPT.read_text(encoding="utf-8"), elem_id="address")


def arrives(place: Any, tabs: Any, fields: Sequence[tuple[Input, Any]]) -> None:
    """Make the event `arrive` fill in the fields, open the tab, and draw if the address has a prompt."""

    def fill(query: str) -> list[Any]:
        asked = json.loads(query)
        tab = asked.get("tab") if asked.get("tab") in TABS else TABS[0]
        return [gr.Tabs(selected=tab), *(_asked(given, asked) for given, _ in fields)]

    filled = place.arrive(
        fill,
        place,
        [tabs, *(field for _, field in fields)],
        js="() => JSON.stringify(starflow.sent)",
        show_progress="hidden",
        api_visibility="private",
    )
    filled.then(None, js="() => starflow.arrived()", queue=False, api_visibility="private")


def _asked(given: Input, asked: dict[str, str]) -> Any:
    """Return the value of a field from the address; skip the field if the address has no value, or a wrong one."""
    if given.name not in asked:
        return gr.skip()
    try:
        return here(given).checked(_read(given, asked[given.name]))
    except ValueError as error:
        warn(f"In the address: {error}")
        return gr.skip()


def _read(given: Input, text: str) -> Any:
    if isinstance(given.field, Flag):
        return {"true": True, "false": False}.get(text, text)
    if isinstance(given.field, (Number, Seed)):
        try:
            return float(text) if isinstance(given.field, Number) else int(text)
        except ValueError:
            return text
    return text
