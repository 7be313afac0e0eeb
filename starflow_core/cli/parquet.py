"""Tables as Parquet files, by pyarrow, which is optional."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..insight.measure import Column

ROWS_AT_ONCE = 10_000  # so that memory does not grow with their number


def check_installed() -> None:
    """Check that Parquet can be written.

    Raises:
        ValueError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise ValueError('Parquet needs pyarrow: pip install "starflow[tables]"; .csv and .jsonl need nothing.')


def from_json_lines(file: Path, target: Path, columns: Sequence[Column]) -> None:
    """Write the rows of a JSON Lines file as Parquet.

    Raises:
        OSError: it cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    from ..insight.schema import schema

    types = schema(columns)
    with file.open(encoding="utf-8", newline="\n") as lines, parquet.ParquetWriter(target, types) as writer:
        while some := list(itertools.islice(lines, ROWS_AT_ONCE)):
            writer.write_table(pyarrow.Table.from_pylist([json.loads(line) for line in some], schema=types))


def to_json_lines(file: Path, target: Path) -> None:
    """Write the rows of a Parquet file as JSON Lines.

    Raises:
        ValueError: it is no Parquet file.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        with target.open("w", encoding="utf-8", newline="\n") as lines:
            for some in parquet.ParquetFile(file).iter_batches(ROWS_AT_ONCE):
                lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in some.to_pylist())
    except pyarrow.ArrowInvalid:
        raise ValueError(f"{file} is no Parquet file, or it is damaged; --overwrite it, or choose another.") from None
