"""The inputs of nodes, with the limits of a machine that many visitors share."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from nodes.declaration import Choice, Input, Number, Seed, is_file
from starflow_core.images import MAX_AREA

from .models import available, trained_side

MOST_PICTURES = 16  # in a batch
SEEDS = 2**53  # seeds are below this: a browser cannot tell larger whole numbers apart


@dataclass(frozen=True)
class BrowserSeed(Seed):
    """A seed, from 0 to 2⁵³ − 1."""

    def checked(self, value: Any) -> int:
        seed = super().checked(value)
        if seed >= SEEDS:
            raise ValueError(f"is {seed}, and must be from 0 to {SEEDS - 1} here.")
        return seed


def here(given: Input) -> Input:
    """Return an input of a node with the limits of this demo: smaller batches and sizes, and only the models here."""
    field = given.field
    if isinstance(field, Seed):
        return dataclasses.replace(given, field=BrowserSeed(field.help))
    if isinstance(field, Number) and given.name == "batch_size":
        return dataclasses.replace(given, field=dataclasses.replace(field, most=MOST_PICTURES))
    if isinstance(field, Number) and given.name in ("width", "height"):
        return dataclasses.replace(given, field=dataclasses.replace(field, most=longest_side()))
    if isinstance(field, Choice) and given.name == "model":
        return dataclasses.replace(given, field=Choice("those on this machine", available))
    if is_file(given):
        return dataclasses.replace(given, field=dataclasses.replace(field, help="from STARFlow Compress"))
    return given


def longest_side() -> int:
    """Return the side of the largest square picture that a model on this machine draws, in pixels."""
    return math.isqrt(MAX_AREA) * max(map(trained_side, available()))
