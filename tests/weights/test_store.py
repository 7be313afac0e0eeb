"""Where models are kept: names that lead nowhere else, and nothing removed that was not fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from starflow_core.cli import main as cli
from starflow_core.weights.store import BEGUN, ORIGIN, Store, Stored, is_name

ELSEWHERE = [
    *("..", ".", "", "/", "../x", "x/..", "../../x", "/etc", "a/b/c", "a//b", "/a", "a/", ".hidden", "a/.hidden"),
    *("a\\b", "..\\x", "C:", "C:x", "a\0b", "a\nb", "x.part", "a/x.part", "x.", "x ", " x", "*", "~", "~root", "-x"),
]
NAMES = ["starflow-3b", "owner/name", "my model", "modèle", "a.b", "_x", "1", "a--b", "x.partial"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "root")


def fetched(store: Store, name: str) -> Path:
    """A model as fetching leaves it."""
    store.begin(name)
    (store.unfinished(name) / "config.json").write_text("{}")
    (store.unfinished(name) / ORIGIN).write_text(json.dumps({"checkpoint": name}))
    return store.finish(name)


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ELSEWHERE)
def test_names_that_lead_elsewhere_are_refused_by_every_method(store: Store, name: str) -> None:
    outside = store.root.parent / "x"
    for folder in (store.models, outside, store.root / "x", store.downloads):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("precious")
    before = files_in(store.root.parent)
    for method in (store.folder, store.unfinished, store.arriving, store.begin, store.finish, store.remove):
        with pytest.raises(ValueError, match="is no name of a model"):
            method(name)
    assert store.find(name) is None
    assert files_in(store.root.parent) == before


@pytest.mark.parametrize("name", NAMES)
def test_plain_names_stay_within_the_folder(store: Store, name: str) -> None:
    assert is_name(name)
    for folder in (store.folder(name), store.unfinished(name)):
        assert folder.parent == store.models
    assert store.arriving(name).parent == store.downloads
    folder = fetched(store, name)
    assert store.find(name) == folder
    assert store.remove(name) > 0
    assert not folder.exists()


def test_command_refuses_the_folder_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STARFLOW_HOME", str(tmp_path / "home"))
    fetched(Store(), "neighbour")
    before = files_in(tmp_path)
    for name in ("..", "", "../models/neighbour"):
        assert cli.main(["models", "--remove", name]) == 1
        assert "is no name of a model" in capsys.readouterr().err
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("note", [None, "{", "[]", "{}", '{"checkpoint": "another"}'])
@pytest.mark.parametrize("place", ["folder", "unfinished", "arriving"])
def test_what_was_not_fetched_is_left(store: Store, place: str, note: str | None) -> None:
    """A person's own model, or a folder of downloads, that happens to have the name."""
    own: Path = getattr(store, place)("mine")
    own.mkdir(parents=True)
    (own / "config.json").write_text("precious")
    if note is not None:
        (own / ORIGIN).write_text(note)
    with pytest.raises(ValueError, match="was not fetched as 'mine', and is left"):
        store.remove("mine")
    with pytest.raises(ValueError, match="was not fetched as 'mine'; move it elsewhere"):
        store.begin("mine")
    assert (own / "config.json").read_text() == "precious"


def test_nothing_is_removed_where_a_part_is_not_ours(store: Store) -> None:
    folder = fetched(store, "mine")
    store.arriving("mine").mkdir(parents=True)
    (store.arriving("mine") / "thesis.pdf").write_text("precious")
    with pytest.raises(ValueError, match="is left"):
        store.remove("mine")
    assert folder.exists()


def test_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    elsewhere = fetched(Store(tmp_path / "other"), "mine")
    store.models.mkdir(parents=True)
    store.folder("mine").symlink_to(elsewhere)
    with pytest.raises(ValueError, match="is left"):
        store.remove("mine")
    assert (elsewhere / "config.json").exists()


def test_what_was_begun_is_removed_at_any_moment(store: Store) -> None:
    store.begin("mine")
    (store.unfinished("mine") / "model.safetensors").write_bytes(bytes(100))
    (store.arriving("mine") / ".x.part").write_bytes(bytes(100))
    assert store.remove("mine") > 200
    assert files_in(store.root) == ["downloads", "models"]


def test_finished_model_has_no_note_of_its_beginning(store: Store) -> None:
    folder = fetched(store, "mine")
    assert files_in(folder) == ["config.json", ORIGIN]
    assert not (folder / BEGUN).exists()
    assert not store.arriving("mine").exists()


def test_empty_and_incomplete_folders_give_way(store: Store) -> None:
    store.folder("mine").mkdir(parents=True)
    assert fetched(store, "mine").is_dir()
    (store.folder("mine") / "config.json").unlink()
    assert (fetched(store, "mine") / "config.json").exists()


def test_size_of_a_folder_that_is_being_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept").write_bytes(b"12345")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    listed = [tmp_path / "kept", tmp_path / "removed meanwhile", tmp_path / "gone"]
    monkeypatch.setattr(Path, "is_file", lambda self: True)
    monkeypatch.setattr(Path, "rglob", lambda self, pattern: iter(listed))
    assert Stored("model", tmp_path).size == 5
