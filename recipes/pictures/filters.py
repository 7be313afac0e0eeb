"""Filters that leave out drawings: flags, skin tones, brands, variants, smaller sizes, and those beyond a cap."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from .drawing import Drawing
from .table import PictureSet
from .words import words

SKIN_TONE = re.compile(r"skin[ -]?tone|\btone[ -]?[1-5]\b|-(medium-)?(light|dark)$|-medium$", re.IGNORECASE)
FLAG = re.compile(r"^flag\b|\bflags?$|^regional[ -]indicator", re.IGNORECASE)
FLAG_CATEGORIES = ("Flags", "Modifiers")
SIZE = re.compile(r"-(\d{2})$")
BRANDS = words("brands")


def is_wanted(drawing: Drawing, picture_set: PictureSet) -> bool:
    """Whether a drawing is of a kind that the models learn."""
    if drawing.category in FLAG_CATEGORIES or FLAG.search(drawing.name):
        return False
    if picture_set.group in ("emoji", "3d") and (SKIN_TONE.search(drawing.id) or SKIN_TONE.search(drawing.name)):
        return False
    said = set(re.split(r"[^a-z0-9]+", f"{drawing.name} {drawing.id}".lower()))
    if said & BRANDS or "logo" in said or "logos" in said:
        return False
    last = drawing.id.rpartition("-")[2]
    return last not in picture_set.drop and (not picture_set.only or last in picture_set.only)


def largest(drawings: Iterable[Drawing]) -> list[Drawing]:
    """Return each icon at its largest size: of `camera-20` and `camera-48`, the latter."""
    found: dict[str, Drawing] = {}
    for drawing in drawings:
        icon = SIZE.sub("", drawing.id)
        if icon not in found or _size(drawing) > _size(found[icon]):
            found[icon] = drawing
    return list(found.values())


def capped(drawings: Sequence[Drawing], cap: int | None) -> list[Drawing]:
    """Return at most `cap` drawings in their given order; the choice depends on their ids alone."""
    if cap is None or len(drawings) <= cap:
        return list(drawings)
    chosen = {d.id for d in sorted(drawings, key=lambda d: hashlib.sha256(d.id.encode()).digest())[:cap]}
    return [d for d in drawings if d.id in chosen]


def _size(drawing: Drawing) -> int:
    found = SIZE.search(drawing.id)
    return int(found.group(1)) if found else 0
