"""The query of the address, as it fills in the fields."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from demo.address import TABS, arrives
from demo.create_endpoint import SETTINGS
from demo.fields import MODEL_NAME
from nodes.declaration import Flag, Input

BY_NAME = {given.name: given for given in (MODEL_NAME, *SETTINGS, Input("flag", Flag(), False))}


def filled(monkeypatch: pytest.MonkeyPatch, *names: str, **query: str) -> tuple[str, list[Any], list[str]]:
    """The open tab, the values of the named fields, and the warnings."""
    told: list[str] = []
    fills: list[Any] = []

    def arrive(fill: Any, *_: Any, **options: Any) -> Any:
        fills.append(fill)
        return SimpleNamespace(then=lambda *_, **options: None)

    monkeypatch.setattr(gr, "Warning", told.append)
    arrives(SimpleNamespace(arrive=arrive), None, [(BY_NAME[name], None) for name in names])
    tabs, *values = fills[0](json.dumps(query))
    return tabs["selected"] if isinstance(tabs, dict) else tabs.selected, values, told


@pytest.mark.parametrize("tab", TABS)
def test_address_opens_its_tab(tab: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert filled(monkeypatch, tab=tab)[0] == tab


def test_address_without_a_known_tab_opens_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert filled(monkeypatch)[0] == filled(monkeypatch, tab="elsewhere")[0] == "create"


def test_values_have_the_types_of_their_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    query = {"seed": "5", "guidance": "3", "aspect_ratio": "2:3", "flag": "true", "model": "starflow-mini"}
    _, values, told = filled(monkeypatch, *query, "width", **query)
    assert values == [5, 3.0, "2:3", True, "starflow-mini", gr.skip()]
    assert [type(value) for value in values[:2]] == [int, float]
    assert told == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("guidance", "much", "In the address: Guidance is 'much', and must be a number"),
        ("width", "4096", "In the address: Width is 4096.0, and must be a whole number from 8 to 512"),
        ("seed", "1.5", "In the address: Seed is '1.5', and must be a whole number."),
        ("flag", "maybe", "In the address: Flag is 'maybe', and must be true or false."),
        ("model", "starflow-3b", "In the address: Model is 'starflow-3b', and must be one of starflow-mini"),
    ],
)
def test_wrong_value_is_told_and_leaves_its_field(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, values, told = filled(monkeypatch, name, **{name: value})
    assert values == [gr.skip()]
    assert len(told) == 1
    assert told[0].startswith(message)


def test_markup_in_a_link_is_shown_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    (told,) = filled(monkeypatch, "guidance", guidance="<img src=https://example.com/a.png>")[2]
    assert told.startswith("In the address: Guidance is '&lt;img src=https://example.com/a.png&gt;', and must be")
