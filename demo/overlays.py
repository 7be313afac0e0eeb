"""Pictures with maps over them, as HTML: each has a bar, a sentence and numbers; a slider fades all maps."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image
from torch import Tensor

from .pictures import preview_address, shown_address

OPACITY = 0.6  # of the maps, at first
SCRIPT = """
element.addEventListener("input", ({ target }) => element.style.setProperty("--map", target.value));
watch("value", () => element.style.removeProperty("--map"));
"""


@dataclass(frozen=True)
class Overlay:
    """A picture with its map.

    Attributes:
        picture: the picture.
        map: the map as a picture, of any size; it may be clear in places.
        words: what is said of it.
        numbers: figures, for those who want them.
        share: the length of the bar, from 0 to 1.
        mark: a word that stands out; "" for none.
    """

    picture: Image.Image
    map: Image.Image
    words: str
    numbers: str
    share: float
    mark: str = ""


def overlays(elem_id: str) -> Any:
    """Return the component; its value is the result of `overlaid`."""
    return gr.HTML("", js_on_load=SCRIPT, elem_id=elem_id, elem_classes=["overlays"])


def overlaid(shown: Sequence[Overlay], legend: str) -> str:
    """Return the HTML of pictures with maps; `legend` says what the colours are."""
    cards = "".join(map(_card, shown))
    slider = (
        f'<label class="fade"><span>{html.escape(legend)}</span>'
        f'<input type="range" min="0" max="1" step="0.05" value="{OPACITY}" aria-label="strength of the maps"></label>'
    )
    return f'{slider}<div class="cards">{cards}</div>'


def clear_below(map: Image.Image, shares: Tensor) -> Image.Image:
    """Return a map that is clear where its values are low, so that the picture shows there.

    Args:
        map: the map, RGB.
        shares: (H', W'), from 0 for wholly clear to 1 for not at all.
    """
    opacity = Image.fromarray((255 * shares.clamp(0, 1)).byte().numpy()).resize(map.size, Image.Resampling.NEAREST)
    clear = map.copy()
    clear.putalpha(opacity)
    return clear


def _card(one: Overlay) -> str:
    words, numbers = html.escape(one.words), html.escape(one.numbers)
    mark = f'<span class="mark" data-mark="{html.escape(one.mark)}">{html.escape(one.mark)}</span> ' if one.mark else ""
    return (
        f'<figure class="card done"><div class="frame"><img src="{shown_address(one.picture)}" alt="{words}">'
        f'<img class="map" src="{preview_address(one.map)}" alt="" aria-hidden="true"></div>'
        f'<figcaption><div class="gauge" aria-hidden="true"><div style="width:{100 * one.share:.0f}%"></div></div>'
        f'<div class="words">{mark}{words}</div><div class="numbers">{numbers}</div></figcaption></figure>'
    )
