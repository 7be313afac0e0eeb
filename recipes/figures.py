"""Figures with their uncertainty, as a table on a model's card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starflow_core.insight.evaluation import mean_and_error

QUANTILE = 1.96  # of the normal distribution, for 95 %
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


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


def write(text: str, card: Path) -> None:
    """Put a text between the marks on a card.

    Raises:
        ValueError: the card has no such marks.
    """
    before, begin, rest = card.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{card} needs a line {BEGIN} and a line {END} after it, between which the figures go.")
    card.write_text(f"{before}{begin}\n{text}\n{end}{after}")
