"""Tables of measured pictures: files that grow batch by batch, and that a later run continues."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import check_writable
from .lines import CsvLines, JsonLines, Lines
from .locks import locked
from .names import Target, output_path

if TYPE_CHECKING:
    from ..insight.measure import Measure

KINDS = (".csv", ".jsonl", ".parquet")


@contextmanager
def claimed_table(name: str, *, resume: bool, overwrite: bool) -> Iterator[Path]:
    """The path of a table, checked before the work, and kept from other runs until its end.

    Raises:
        ValueError: it is of another kind, cannot be written, is there already, is being written by another run, or
            needs a library that is missing.
    """
    path = output_path(name, KINDS)
    if _is_parquet(path):
        from .parquet import check_installed

        check_installed()
    check_writable(Target(path, is_asked_for=True))
    with locked(path):
        there = next((file for file in (path, rows_file(path)) if os.path.lexists(file)), None)
        if there is not None and not (resume or overwrite):
            raise ValueError(f"{there} is there already; go on with --resume, or start again with --overwrite.")
        yield path


def rows_file(path: Path) -> Path:
    """The file that rows are appended to: the table itself, or a file beside one of Parquet, which is written at the
    end.
    """
    return path.with_name(f"{path.name}.jsonl") if _is_parquet(path) else path


class Table:
    """A table of measured pictures, one row each.

    Rows are on disk after each `append`. A Parquet file cannot grow: its rows wait in a file beside it until `close`.

    Args:
        path: of the table; see `claimed_table`.
        measure: what is measured.
        resume: continue the file, if there is one; otherwise it is written over.
        again: names of pictures that are measured again if their row has an error.

    Attributes:
        done: the names of the pictures that have a result.
        total: the number of rows.

    Raises:
        ValueError: the file is no such table, or has other settings, or cannot be written.
    """

    def __init__(self, path: Path, measure: Measure[Any], *, resume: bool, again: Collection[str] = ()) -> None:
        self.path, self._columns, self._again = path, measure.columns, again
        self._rows = rows_file(path)
        self._lines: Lines = CsvLines(self._columns) if path.suffix.lower() == ".csv" else JsonLines(self._columns)
        self.done: set[str] = set()
        self.total = 0
        with self._told():
            if resume:
                self._continue(measure.settings)
            # Without a buffer: what is written is on the disk, or an error says that it is not.
            self._file = self._rows.open("ab" if self.total else "wb", buffering=0)
            try:
                self._write("" if self.total else self._lines.head)
            except OSError:
                self._file.close()
                raise

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, and write them to the disk.

        Raises:
            ValueError: they cannot be written.
        """
        with self._told():
            self._write("".join(self._lines.line(row) for row in rows))
        self.done |= {row["image"] for row in rows if row["error"] is None}
        self.total += len(rows)

    def close(self, *, is_whole: bool) -> None:
        """Close the file; write it as Parquet if that was asked for and the rows are whole.

        Raises:
            ValueError: it cannot be written.
        """
        with self._told():
            self._file.close()
            if is_whole and _is_parquet(self.path):
                from .parquet import from_json_lines

                with _replacing(self.path) as part:
                    from_json_lines(self._rows, part, self._columns)
                self._rows.unlink()

    def _write(self, text: str) -> None:
        left = text.encode()
        while left:
            left = left[self._file.write(left) :]

    def _continue(self, settings: Mapping[str, Any]) -> None:
        """Take over the rows of an earlier run; those to measure again, and a half-written last one, are taken out."""
        if _is_parquet(self.path) and self.path.exists() and not self._rows.exists():
            from .parquet import to_json_lines

            with _replacing(self._rows) as part:
                to_json_lines(self.path, part)
        if not self._rows.exists():
            return
        with _replacing(self._rows) as part:
            with part.open("w", encoding="utf-8", newline="") as file:
                file.writelines(self._kept(settings))
            if part.stat().st_size == self._rows.stat().st_size:
                part.unlink()  # all is kept; there is nothing to replace

    def _kept(self, settings: Mapping[str, Any]) -> Iterator[str]:
        """The lines of the file that stay."""
        fits = True
        try:
            for line in self._lines.read(self._rows):
                fits = fits and self._lines.fits(line)
                if line.row is not None:
                    self._check_settings(line.row, settings)  # which say more than that columns are others
                    if fits and self._stays(line.row):
                        self.total += 1
                        yield line.text
                elif fits:
                    yield line.text
            if not fits:
                raise ValueError("its columns are others")
        except UnicodeDecodeError:
            raise ValueError(f"{self._rows} is no table of these measurements; choose another file.") from None
        except _OtherSettings as error:
            raise ValueError(f"{self.path} {error}; choose another file, or --overwrite this one.") from None
        except ValueError as error:
            told = f"{self._rows} is no table of these measurements ({error})"
            raise ValueError(f"{told}; choose another file, or --overwrite this one.") from None

    def _stays(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of an earlier run stays; its picture is done if it has a result."""
        name = row["image"]
        if row["error"]:
            return name not in self._again
        is_new = name not in self.done
        self.done.add(name)
        return is_new

    def _check_settings(self, row: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        cells = {name: self._lines.cell(value) for name, value in settings.items()}
        other = [name for name, cell in cells.items() if name in row and row[name] != cell]
        if other:
            told = ", ".join(f"{name} {_shown(row[name])} and not {_shown(cells[name])}" for name in other)
            raise _OtherSettings(f"was measured with {told}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn an error of the disk into a sentence."""
        try:
            yield
        except OSError as error:
            raise ValueError(
                f"{self.path} cannot be written ({error.strerror or error}); the rows up to here stay, "
                "and --resume goes on from them."
            ) from None


def _shown(cell: Any) -> str:
    return "none" if cell in ("", None) else str(cell)


class _OtherSettings(ValueError):
    pass


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file to write beside a path, which takes its place in the end; if it is removed or there is an error, it does
    not.
    """
    path = Path(os.path.realpath(path))  # a link stays one
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield part
        if part.exists():
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"
