"""Tables of measurements as pyarrow, which is optional, types them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .measure import Column


def schema(columns: Sequence[Column]) -> Any:
    """The types of columns; they are set here, because a column may have no value at all."""
    import pyarrow

    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    # A seed has 64 bits and no sign.
    kinds_of = {column.name: pyarrow.uint64() if column.name == "seed" else kinds[column.kind] for column in columns}
    return pyarrow.schema(
        [(one.name, pyarrow.list_(kinds_of[one.name]) if one.is_list else kinds_of[one.name]) for one in columns]
    )
