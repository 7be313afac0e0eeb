"""The pictures in a folder, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from own_pictures import write_picture, write_pictures

from starflow_core.training.listing import class_names, list_pictures


def test_names_of_folders_are_classes(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        write_pictures(tmp_path / name, 3)
    write_picture(tmp_path / "alone.png")
    found = list_pictures(tmp_path)
    assert [file.name for file in found.files] == ["alone.png", *2 * ["00.png", "01.png", "02.png"]]
    assert found.labels == ("", *3 * ["cat"], *3 * ["dog"])
    assert class_names(found) == ["cat", "dog"]
    assert found.captions == ("",) * 7


def test_pictures_of_one_folder_have_no_class(tmp_path: Path) -> None:
    write_pictures(tmp_path / "all", 3)
    assert list_pictures(tmp_path).labels == ("", "", "")


def test_captions_lie_beside_pictures(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3)
    (tmp_path / "00.txt").write_text("a red\n thing ", encoding="utf-8-sig")
    (tmp_path / "01.txt").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "99.txt").write_text("of nothing")
    found = list_pictures(tmp_path)
    assert found.captions == ("a red thing", "", "")
    assert found.remarks[0] == "1 text file has no picture."
    assert "01.txt is no text in UTF-8" in found.remarks[1]


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
def test_metadata_is_that_of_imagefolder(name: str, tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", 3)
    rows = [{"file_name": f"0{i}.png", "text": f"thing {i}", "label": "ab"[i % 2]} for i in range(3)]
    rows.append({"file_name": "gone.png", "text": "gone", "label": "a"})
    if name.endswith("csv"):
        lines = ["file_name,text,label", *(",".join(row.values()) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    (tmp_path / "train" / name).write_text("\n".join(lines) + "\n")
    found = list_pictures(tmp_path)
    assert found.captions == ("thing 0", "thing 1", "thing 2")
    assert found.labels == ("a", "b", "a")
    assert found.remarks == ("1 row of metadata names no picture.",)


def test_damaged_metadata_is_told(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    (tmp_path / "metadata.jsonl").write_text('{"text": "nameless"}\n{"file_name": "00.png", "caption": "x"}\n{"half')
    found = list_pictures(tmp_path)
    assert found.captions == ("x", "")
    assert len(found.remarks) == 2
    assert "line 1, names no file" in found.remarks[0]
    assert "cannot be read as metadata, or only in part" in found.remarks[1]


def test_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no folder"):
        list_pictures(tmp_path / "none")
    (tmp_path / "a.txt").write_text("a caption")
    with pytest.raises(ValueError, match=r"There is no picture in .* but 1 text file; .png"):
        list_pictures(tmp_path)


def test_more_classes_than_pictures_are_refused(tmp_path: Path) -> None:
    for number in range(4):
        write_picture(tmp_path / f"class {number}" / "one.png")
    with pytest.raises(ValueError, match=r"There are 4 classes for 4 pictures; give more pictures of each class"):
        class_names(list_pictures(tmp_path))
    for number in range(4, 9):
        (tmp_path / f"class {number}").mkdir()
    with pytest.raises(ValueError, match="There are 9 classes for 4 pictures"):
        class_names(list_pictures(tmp_path))
