"""Rows of tables as lines of text: CSV, and JSON Lines. A file that was cut off in a line is read up to that line."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ..insight.measure import Column


class Line(NamedTuple):
    """A whole line of a file.

    Attributes:
        text: as it stands there.
        row: its cells, by the names of the columns; None for the line that names them.
    """

    text: str
    row: Mapping[str, Any] | None


class Lines(ABC):
    """A way to write rows.

    Args:
        columns: of the rows.

    Attributes:
        head: the line that begins a file; "" for none.
    """

    head: str = ""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns

    @abstractmethod
    def line(self, row: Mapping[str, Any]) -> str:
        """A row as a line."""

    @abstractmethod
    def cell(self, value: Any) -> Any:
        """A value as `read` gives it back."""

    @abstractmethod
    def read(self, file: Path) -> Iterator[Line]:
        """Yield the whole lines of a file.

        Raises:
            ValueError: a line is none of a table.
        """

    def fits(self, line: Line) -> bool:
        """Whether a line of a file has these columns."""
        return line.row is None or list(line.row) == [column.name for column in self.columns]


class JsonLines(Lines):
    """A row is a JSON object."""

    def line(self, row: Mapping[str, Any]) -> str:
        return json.dumps(row, ensure_ascii=False) + "\n"

    def cell(self, value: Any) -> Any:
        return value

    def read(self, file: Path) -> Iterator[Line]:
        with file.open(encoding="utf-8", newline="\n") as lines:
            for text in lines:
                if not text.endswith("\n"):
                    return
                row = json.loads(text)  # what it raises is a ValueError
                if not isinstance(row, dict):
                    raise ValueError("a line is no JSON object")
                yield Line(text, row)


class CsvLines(Lines):
    """A row is a record of cells; a list that has names for its entries is spread over a cell each."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(columns)
        self.head = _record([name for column in columns for name in _names(column)])

    def line(self, row: Mapping[str, Any]) -> str:
        cells: list[Any] = []
        for column in self.columns:
            value = row[column.name]
            if column.parts:
                cells += value or [None] * len(column.parts)
            else:
                cells.append(self.cell(value))
        return _record(cells)

    def cell(self, value: Any) -> str:
        if isinstance(value, list):
            return json.dumps(value, ensure_ascii=False)
        return "" if value is None else str(value)

    def read(self, file: Path) -> Iterator[Line]:
        taken: list[str] = []

        def lines() -> Iterator[str]:
            for text in opened:
                taken.append(text)
                yield text

        with file.open(encoding="utf-8", newline="") as opened:
            names: list[str] | None = None
            try:
                for cells in csv.reader(lines(), strict=True):
                    text = "".join(taken)
                    taken.clear()
                    if not text.endswith("\n"):
                        return
                    if names is not None and len(names) != len(cells):
                        raise ValueError(f"a row has {len(cells)} cells and not {len(names)}")
                    yield Line(text, None if names is None else dict(zip(names, cells, strict=True)))
                    names = cells if names is None else names
            except csv.Error as error:
                if "unexpected end" not in str(error):  # which a quoted cell has that was cut off
                    raise ValueError(str(error)) from None

    def fits(self, line: Line) -> bool:
        return line.row is not None or line.text == self.head


def _names(column: Column) -> list[str]:
    """The heads of a column's cells."""
    return [f"{column.name}: {part}" for part in column.parts] or [column.name]


def _record(cells: Sequence[Any]) -> str:
    """Cells as CSV; a carriage return in one, which csv leaves bare before Python 3.13, is quoted."""
    text = io.StringIO(newline="")
    has_return = any(isinstance(cell, str) and "\r" in cell for cell in cells)
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if has_return else csv.QUOTE_MINIMAL).writerow(cells)
    return text.getvalue()
