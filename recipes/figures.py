"""Figures with their uncertainty, as a table on a model's card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starflow_core.insight.evaluation import mean_and_error

QUANTILE = 1.96  # of the normal distribution, for 95 %
FIGURES = "figures"


@dataclass(frozen=True)
class Figure:
    """A value with the half width of its 95 % confidence interval, where it has one."""

    what: str
    value: float
    half_width: float | None = None
    unit: str = ""

    def __str__(self) -> str:
        interval = "" if self.half_width is None else f" ± {self.half_width:.3g}"
        return f"{self.value:.3g}{interval} {self.unit}".rstrip()

    @classmethod
    def mean(cls, what: str, values: Sequence[float], unit: str) -> Figure:
        mean, error = mean_and_error(values)
        return cls(what, mean, QUANTILE * error, unit)

    @classmethod
    def share(cls, what: str, hits: Sequence[bool]) -> Figure:
        share = sum(hits) / len(hits)
        return cls(what, share, QUANTILE * math.sqrt(share * (1 - share) / len(hits)))


def table(figures: Sequence[Figure]) -> str:
    """The figures as Markdown."""
    return "\n".join(["| | |", "| --- | --- |", *(f"| {figure.what} | {figure} |" for figure in figures)])


def write(text: str, page: Path, name: str = FIGURES) -> None:
    """Put a text between the marks of a name on a page, such as a model's card.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = marks(name)
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{page} needs a line {begin} and a line {end} after it, between which the figures go.")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def marks(name: str) -> tuple[str, str]:
    """The lines on a page before and after a text that is written there."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
