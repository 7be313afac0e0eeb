"""A worker of Ray: it holds a model, and measures batches of pictures."""

from __future__ import annotations

import os
from typing import Any

import pyarrow

from ..insight.many import Source, measured
from ..insight.schema import schema
from .sources import Place


class Worker:
    """Measures the pictures of batches; Ray makes one for each place to work, and keeps it.

    Args:
        measure: a reference to the measure in Ray's object store, from which each machine fetches it once.
        device: where the model computes.
        place: where in a row the picture is.
    """

    def __init__(self, measure: Any, device: str, place: Place) -> None:
        import ray

        self.measure = ray.get(measure) if isinstance(measure, ray.ObjectRef) else measure
        self.measure.to(device)
        self.place = place
        self.schema = schema(self.measure.columns)

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        """The rows of a batch: what is measured, and the columns that it came with, without the pictures' bytes."""
        sources = [self._source(row) for row in batch.select(self._read_columns(batch)).to_pylist()]
        rows = [
            self.measure.row(found.name, found.picture, found.result, found.error)
            for some in measured(self.measure, sources)
            for found in some
        ]
        table = pyarrow.Table.from_pylist(rows, schema=self.schema)
        for field in batch.schema:
            is_text = pyarrow.types.is_string(field.type) or pyarrow.types.is_large_string(field.type)
            is_told = field.name == self.place.name or (field.name == self.place.column and not is_text)
            if field.name not in table.column_names and not is_told:
                table = table.append_column(field, batch.column(field.name))
        return table

    def _read_columns(self, batch: pyarrow.Table) -> list[str]:
        return list(dict.fromkeys(name for name in (self.place.column, self.place.name) if name))

    def _source(self, row: dict[str, Any]) -> Source:
        content, name = row[self.place.column], row[self.place.name] if self.place.name else None
        if isinstance(content, dict):  # as the library datasets stores pictures
            name, content = content.get("path") or name, content.get("bytes") or content.get("path")
        if self.place.is_file:
            content = os.fsdecode(content)
        if not isinstance(name, str):
            name = content if isinstance(content, str) else ""
        if not isinstance(content, (str, bytes)):
            return Source(name, ValueError(f"There is no path and no picture in the column {self.place.column!r}."))
        return Source(name, content)
