"""Checkpoints fetched from a server on loopback, by the real huggingface_hub, through everything that goes wrong."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from hub_server import COMMIT, Fault, Hub, corrupted, cut, stalled, status, truncated
from huggingface_hub import constants, file_download

from starflow_core.weights import download, fetch, remote, store, table
from starflow_core.weights.fetch import Progress
from starflow_core.weights.model_folder import model_folder
from starflow_core.weights.remote import FetchError
from starflow_core.weights.store import Store
from starflow_core.weights.table import Checkpoint, Licence, Part, RemoteFile

BIG = bytes(range(256)) * 12_000  # 3 MB
SMALL = b'{"model_type": "tarflow"}\n'
STRICT = Licence("strict", "https://example.org/licence", "for nobody.", "By somebody.")
FREE = Licence("free", "", "for all.", open=True)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub()
    hub.files = {"a/model/model.safetensors": BIG, "a/model/config.json": SMALL}
    hub.small = {"a/model/config.json"}
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    for module in (constants, file_download):  # where huggingface_hub before 1.0 looks as well
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    monkeypatch.setenv("STARFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(download, "WAITS", (0.0,) * download.PATIENCE)
    monkeypatch.setitem(table.CHECKPOINTS, "test", checkpoint())
    yield hub
    hub.close()


def checkpoint(licence: Licence = FREE, sha256: str | None = None) -> Checkpoint:
    files = (
        RemoteFile("model.safetensors", "model.safetensors", len(BIG), sha256),
        RemoteFile("config.json", "config.json", len(SMALL)),
    )
    return Checkpoint("test", "a test", (Part(files, licence, "a/model"),))


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def assert_nothing_is_taken_for_whole() -> None:
    assert Store().find("test") is None
    assert Store().all() == []
    with pytest.raises(ValueError, match="starflow fetch test"):
        model_folder("test")


def test_model_arrives_with_its_origin(hub: Hub) -> None:
    seen: list[Progress] = []
    folder = fetch.fetch("test", report=seen.append)
    assert folder == Store().find("test")
    assert (folder / "model.safetensors").read_bytes() == BIG
    assert (folder / "config.json").read_bytes() == SMALL
    assert files_of(folder) == ["README.md", "config.json", "model.safetensors", "origin.json"]
    assert files_of(Store().downloads) == []
    origin = json.loads((folder / "origin.json").read_text())
    assert {file["sha256"] for file in origin["files"]} == {hashlib.sha256(b).hexdigest() for b in (BIG, SMALL)}
    assert {file["commit"] for file in origin["files"]} == {COMMIT}
    assert seen[-1] == Progress("fetching", len(BIG) + len(SMALL), len(BIG) + len(SMALL))
    assert [step.done for step in seen] == sorted(step.done for step in seen)


def test_nothing_is_fetched_twice(hub: Hub) -> None:
    folder = fetch.fetch("test")
    asked = hub.requests.copy()
    assert fetch.fetch("test") == folder
    assert hub.requests == asked


# What goes wrong on the way, and is put right

CURED: dict[str, list[Fault]] = {
    "closed": [cut(0.3, reset=False)] * 3,
    "reset": [cut(0.3, reset=True)] * 3,
    "closed at once": [cut(0.0, reset=False)] * 3,
    "truncated": [truncated] * 2,
    "429": [status(429, {"Retry-After": "0"})],
    "500s": [status(500), status(502), status(503)],
    "address expired": [cut(0.5, reset=True), status(403)],
}


@pytest.mark.parametrize("faults", CURED.values(), ids=CURED)
def test_fetch_goes_on_where_it_was_cut(hub: Hub, faults: list[Fault]) -> None:
    hub.faults["model.safetensors"] = list(faults)
    folder = fetch.fetch("test")
    assert (folder / "model.safetensors").read_bytes() == BIG
    assert hub.requests["faults"] == len(faults)
    assert hub.sent["a/model/model.safetensors"] + hub.sent["cut"] <= 1.01 * len(BIG)


def test_retry_after_is_waited_for(hub: Hub) -> None:
    waited: list[float] = []
    hub.faults["model.safetensors"] = [status(429, {"Retry-After": "7"}), status(503, {"Retry-After": "9999"})]
    described = remote.describe(checkpoint().parts[0], checkpoint().parts[0].files[0])
    target = Store().downloads / "model.safetensors"
    target.parent.mkdir(parents=True)
    download.download(described, target, lambda count: None, wait=waited.append)
    assert waited == [7, download.MAX_WAIT]
    assert target.read_bytes() == BIG


def test_stalled_connection_is_given_up_and_gone_on_with(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    hub.faults["model.safetensors"] = [stalled]
    assert (fetch.fetch("test") / "model.safetensors").read_bytes() == BIG


def test_server_without_ranges_is_asked_for_all_again(hub: Hub) -> None:
    hub.ranges = False
    hub.faults["model.safetensors"] = [cut(0.5, reset=True)] * 2
    seen: list[Progress] = []
    assert (fetch.fetch("test", report=seen.append) / "model.safetensors").read_bytes() == BIG
    assert seen[-1].done == seen[-1].total


def test_redirect_to_another_host_gets_no_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.elsewhere = elsewhere = Hub()
    elsewhere.files = {"a/model/model.safetensors": BIG}
    assert (fetch.fetch("test") / "model.safetensors").read_bytes() == BIG
    assert ("HEAD", "Bearer hf_secret") in hub.tokens
    assert elsewhere.tokens
    assert all(token is None for _, token in elsewhere.tokens)
    elsewhere.close()


# What goes wrong and cannot be put right: the message, and that nothing is taken for whole

FATAL: dict[str, tuple[dict[str, Any], str]] = {
    "corrupted": ({"faults": {"model.safetensors": [corrupted]}}, "not those that were announced"),
    "wrong etag": ({"lies": {"a/model/model.safetensors": "0" * 64}}, "not those that were announced"),
    "wrong etag of a small file": ({"lies": {"a/model/config.json": "0" * 40}}, "not those that were announced"),
    "cut for ever": ({"faults": {"model.safetensors": [cut(0.0, reset=True)] * 99}}, "what has arrived is kept"),
    "401": ({"head_faults": {"model.safetensors": [401]}}, "HF_TOKEN"),
    "gated": ({"gated": {"a/model"}}, "accept them at"),
    "404": ({"files": {"a/model/config.json": SMALL}}, "no file model.safetensors"),
    "no repository": ({"files": {}}, "no repository a/model"),
    "500 for ever": ({"faults": {"model.safetensors": [status(500)] * 99}}, "fault of its own"),
    "403 for ever": ({"faults": {"model.safetensors": [status(403)] * 99}}, "refuses"),
}


@pytest.mark.parametrize(("trouble", "told"), FATAL.values(), ids=FATAL)
def test_what_cannot_be_had_is_told_and_not_taken_for_whole(hub: Hub, trouble: dict[str, Any], told: str) -> None:
    kept = vars(hub).copy()
    vars(hub).update(trouble)
    with pytest.raises(FetchError, match=told):
        fetch.fetch("test")
    assert_nothing_is_taken_for_whole()
    vars(hub).update({name: kept[name] for name in trouble} | {"faults": {}, "head_faults": {}})
    assert (fetch.fetch("test") / "model.safetensors").read_bytes() == BIG  # and the next fetch puts it right


def test_known_hash_counts_more_than_what_the_server_says(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(table.CHECKPOINTS, "test", checkpoint(sha256="1" * 64))
    with pytest.raises(FetchError, match="thrown away"):
        fetch.fetch("test")
    assert not [name for name in files_of(Store().root) if name.endswith(".part")]


def test_server_that_cannot_be_reached_is_told(hub: Hub) -> None:
    hub.close()
    with pytest.raises(FetchError, match="HTTPS_PROXY"):
        fetch.fetch("test")


def test_cancelled_fetch_keeps_what_has_arrived(hub: Hub) -> None:
    class Cancelled(Exception):
        pass

    def cancel(step: Progress) -> None:
        if step.done >= len(BIG) // 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        fetch.fetch("test", report=cancel)
    assert_nothing_is_taken_for_whole()
    seen: list[Progress] = []
    fetch.fetch("test", report=seen.append)
    assert seen[0].done >= len(BIG) // 2 - download.CHUNK


# Licences, disks, caches, networks


def test_licence_is_accepted_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(table.CHECKPOINTS, "test", checkpoint(STRICT))
    with pytest.raises(FetchError, match=r"strict .*has not been accepted: for nobody\."):
        fetch.fetch("test")
    assert not hub.requests
    asked: list[Licence] = []

    def accepts(licence: Licence) -> bool:
        asked.append(licence)
        return True

    folder = fetch.fetch("test", accepts=accepts)
    assert asked == [STRICT]
    assert "By somebody." in (folder / "README.md").read_text()
    Store().remove("test")
    fetch.fetch("test", accepts=lambda licence: pytest.fail("asked again"))
    assert store.accepted() == {"strict"}


def test_small_disk_is_told_before_the_work(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=fetch.SPARE + 1000))
    with pytest.raises(FetchError, match=r"STARFLOW_HOME"):
        fetch.fetch("test")
    assert not hub.sent


def test_full_disk_ends_the_fetch_and_keeps_what_has_arrived(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(download, "_copy", full)
        with pytest.raises(OSError, match="No space left"):
            fetch.fetch("test")
    assert_nothing_is_taken_for_whole()
    fetch.fetch("test")


def test_cache_of_huggingface_hub_is_used(hub: Hub) -> None:
    for name in ("model.safetensors", "config.json"):
        huggingface_hub.hf_hub_download("a/model", name, cache_dir=constants.HF_HUB_CACHE)
    hub.requests.clear()
    folder = fetch.fetch("test")
    assert not hub.requests
    assert (folder / "model.safetensors").read_bytes() == BIG
    assert json.loads((folder / "origin.json").read_text())["files"][0]["commit"] == COMMIT


def test_damaged_cache_is_not_used(hub: Hub) -> None:
    cached = huggingface_hub.hf_hub_download("a/model", "model.safetensors", cache_dir=constants.HF_HUB_CACHE)
    Path(cached).resolve().write_bytes(BIG[:-1] + b"x")
    assert (fetch.fetch("test") / "model.safetensors").read_bytes() == BIG


def test_offline_mode_is_respected(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE"):
        fetch.fetch("test")
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE"):
        fetch.fetch("a/model")
    assert not hub.requests


def test_repository_in_our_layout_is_fetched_without_the_rest(hub: Hub) -> None:
    hub.files |= {"a/model/train.py": b"x", "a/model/text_encoder/config.json": b"{}", "a/model/x.pth": b"x"}
    hub.files |= {"a/model/reference.json": b"{}", "a/model/vae/reference.json.py": b"x"}
    folder = fetch.fetch("a/model")
    assert files_of(folder) == [
        *("README.md", "config.json", "model.safetensors", "origin.json", "reference.json"),
        os.path.join("text_encoder", "config.json"),
    ]
    assert [stored.name for stored in Store().all()] == ["a/model"]


@pytest.mark.parametrize("name", ["nobody", "a/other", "../a", "a/b/c"])
def test_unknown_names_are_told(hub: Hub, name: str) -> None:
    with pytest.raises(FetchError, match=r"starflow-3b|no repository"):
        fetch.fetch(name)


def test_repository_of_another_kind_is_refused(hub: Hub) -> None:
    hub.files["b/pickles/model.pth"] = b"x"
    with pytest.raises(FetchError, match="no model that this program knows"):
        fetch.fetch("b/pickles")


def test_names_that_lead_elsewhere_are_not_fetched(hub: Hub) -> None:
    hub.files |= {"a/model/../../evil.json": b"x", "a/model/vae/../../evil.json": b"x"}
    fetch.fetch("a/model")
    assert not [name for name in files_of(Store().root) if "evil" in name]


def test_model_is_removed_with_what_has_arrived_of_it(hub: Hub) -> None:
    folder = fetch.fetch("test")
    assert Store().remove("test") >= len(BIG)
    assert not folder.exists()
    with pytest.raises(ValueError, match="no model 'test'"):
        Store().remove("test")


def test_two_programs_do_not_fetch_the_same_at_once(hub: Hub) -> None:
    def another(step: Progress) -> None:
        with pytest.raises(FetchError, match="another program"):
            fetch.fetch("test")

    fetch.fetch("test", report=another)


def test_waiting_can_be_cancelled(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cancelled(Exception):
        pass

    began = time.monotonic()

    def cancel(step: Progress) -> None:
        if time.monotonic() - began > 0.3:
            raise Cancelled

    monkeypatch.setattr(download, "WAITS", (60.0,) * download.PATIENCE)
    hub.faults["model.safetensors"] = [status(500)]
    with pytest.raises(Cancelled):
        fetch.fetch("test", report=cancel)
    assert time.monotonic() - began < 10
