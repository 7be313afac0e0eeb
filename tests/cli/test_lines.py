from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starflow_core.cli.lines import CsvLines, JsonLines, Lines
from starflow_core.insight.measure import Column

COLUMNS = [
    Column("image", str),
    Column("error", str),
    Column("score", float),
    Column("scores", float, is_list=True, parts=("a cat", "a, dog")),
    Column("prompts", str, is_list=True),
    Column("is_odd", bool),
]
ROW: dict[str, Any] = {
    "image": "a, \n“b”\r.png",
    "error": None,
    "score": 0.1,
    "scores": [1.5, -2.0],
    "prompts": ["a cat", "a, dog"],
    "is_odd": True,
}
FORMATS = [CsvLines, JsonLines]


def written(lines: Lines, rows: list[dict[str, Any]], file: Path) -> bytes:
    content = (lines.head + "".join(lines.line(row) for row in rows)).encode()
    file.write_bytes(content)
    return content


def rows_in(lines: Lines, file: Path) -> list[Any]:
    return [line.row for line in lines.read(file) if line.row is not None]


def test_csv_spreads_lists_that_name_their_entries(tmp_path: Path) -> None:
    lines = CsvLines(COLUMNS)
    assert lines.head == 'image,error,score,scores: a cat,"scores: a, dog",prompts,is_odd\n'
    assert lines.line(ROW | {"image": "a.png"}) == 'a.png,,0.1,1.5,-2.0,"[""a cat"", ""a, dog""]",True\n'
    assert lines.line(ROW | {"image": "a.png", "scores": None}).startswith("a.png,,0.1,,,")


@pytest.mark.parametrize("kind", FORMATS)
def test_rows_come_back_whatever_the_name(kind: type[Lines], tmp_path: Path) -> None:
    lines = kind(COLUMNS)
    written(lines, [ROW, ROW | {"image": "кот.png"}], tmp_path / "a")
    first, second = rows_in(lines, tmp_path / "a")
    assert (first["image"], second["image"]) == (ROW["image"], "кот.png")
    for name in ("score", "prompts", "is_odd"):
        assert first[name] == lines.cell(ROW[name])
    assert not first["error"]


@pytest.mark.parametrize("kind", FORMATS)
def test_file_that_is_cut_off_anywhere_gives_its_whole_rows(kind: type[Lines], tmp_path: Path) -> None:
    lines, file = kind(COLUMNS), tmp_path / "a"
    ends = [len(written(lines, [ROW] * count, file)) for count in range(3)]
    content = written(lines, [ROW] * 2, file)
    for length in range(len(content) + 1):
        try:
            content[:length].decode()
        except UnicodeDecodeError:
            continue
        file.write_bytes(content[:length])
        whole = "".join(line.text for line in lines.read(file)).encode()
        assert len(rows_in(lines, file)) == sum(length >= end for end in ends[1:])
        assert len(whole) == max([end for end in ends if length >= end], default=0)
        assert content.startswith(whole)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.sampled_from(FORMATS))
def test_any_name_comes_back(name: str, kind: type[Lines]) -> None:
    import tempfile

    lines = kind(COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        written(lines, [ROW | {"image": name}] * 2, Path(folder) / "a")
        assert [row["image"] for row in rows_in(lines, Path(folder) / "a")] == [name] * 2


@pytest.mark.parametrize(
    ("kind", "content"),
    [(JsonLines, "no json\n"), (JsonLines, "[1]\n"), (CsvLines, "a,b\n1\n"), (CsvLines, 'a\n"b"c\n')],
)
def test_other_files_are_refused(kind: type[Lines], content: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(content)
    with pytest.raises(ValueError):  # noqa: PT011 - the table says what is wrong
        list(kind(COLUMNS).read(tmp_path / "a"))
