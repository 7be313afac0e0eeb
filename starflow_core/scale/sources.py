"""Pictures as a Ray dataset: of files in a folder, of a list, of Parquet, or a dataset itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..insight.evaluation import SUFFIXES, pictures_in
from ..insight.measure import in_table

if TYPE_CHECKING:
    from ray.data import Dataset

Pictures: TypeAlias = "Dataset | str | os.PathLike[str] | Sequence[str]"
"""A folder of pictures, an address of one such as `s3://bucket/pictures`, a `.parquet` file or a folder of such, a list
of files, or a dataset."""

FILE = "file of the picture"  # a column of our own, of names as the file system encodes them


class Place(NamedTuple):
    """Where in a row the picture is.

    Attributes:
        column: of the path of its file, or of the bytes of the file.
        name: the column that names it; None for no name.
        is_file: whether the column holds a path as bytes.
    """

    column: str
    name: str | None
    is_file: bool = False


def as_dataset(pictures: Pictures, column: str, batch_size: int) -> tuple[Dataset, Place]:
    """A dataset with a row for each picture, and where in a row it is.

    Args:
        pictures: see `Pictures`.
        column: where a dataset or a Parquet file has the paths or the bytes.
        batch_size: rows that a worker takes at once.

    Raises:
        ValueError: there is no picture, or no such column.
    """
    import ray

    if isinstance(pictures, (str, os.PathLike)):
        where = os.fspath(pictures)
        if _is_parquet(where):
            dataset, place = _with_column(ray.data.read_parquet(where), column)
            # A file of a million paths is small, and would go to a single worker.
            return dataset.repartition(target_num_rows_per_block=batch_size), place
        if "://" in where:
            read = ray.data.read_binary_files(where, include_paths=True, file_extensions=[one[1:] for one in SUFFIXES])
            return read, Place("bytes", "path")
        return _of_files([str(file) for file in pictures_in(Path(where))])
    if isinstance(pictures, Sequence):
        return _of_files(pictures)
    return _with_column(pictures, column)


def _of_files(files: Sequence[str]) -> tuple[Dataset, Place]:
    """A dataset of files that every worker can open: the machines share a file system, or there is one machine."""
    import ray

    if not files:
        raise ValueError("There is no picture to measure: the list of files is empty.")
    rows = [{"image": in_table(file), FILE: os.fsencode(os.path.abspath(file))} for file in files]
    return ray.data.from_items(rows), Place(FILE, "image", is_file=True)


def _with_column(dataset: Dataset, column: str) -> tuple[Dataset, Place]:
    schema: Any = dataset.schema()
    names = [] if schema is None else list(schema.names)
    if column not in names:
        there = ", ".join(names) or "none"
        raise ValueError(f"There is no column {column!r} of paths or of pictures; there are: {there}.")
    return dataset, Place(column, next((name for name in ("path", "image", "name") if name in names), None))


def _is_parquet(where: str) -> bool:
    if where.lower().endswith(".parquet"):
        return True
    return os.path.isdir(where) and any(Path(where).glob("*.parquet"))
