"""Packages fetched from a local registry: checked, resumed, fetched again, refused."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recipes.pictures.fetch import FetchError, fetch
from recipes.pictures.table import Package

ADDRESS = "/@scope/tiny/-/tiny-1.0.0.tgz"


def archive(**files: str) -> bytes:
    """An npm archive of some files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


ARCHIVE = archive(**{"wanted.json": "{}", "folder/wanted.json": "[]", "unwanted.txt": "no" * 5000})


class Registry(ThreadingHTTPServer):
    """Serves archives by address, by ranges, and counts what is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.archives: dict[str, list[bytes]] = {}  # by address; each answer takes the next one, the last for ever
        self.asked: list[tuple[str, str | None]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        left = self.server.archives.get(self.path)
        if left is None:
            self.send_error(404)
            return
        body = left.pop(0) if len(left) > 1 else left[0]
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        server.archives[ADDRESS] = [ARCHIVE]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def tiny(content: bytes = ARCHIVE, keep: tuple[str, ...] = ("*.json",)) -> Package:
    pinned = f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"
    return Package("tiny", "npm", "@scope/tiny", "1.0.0", pinned, keep)


def test_a_package_is_fetched_once_and_only_what_is_kept_is_unpacked(registry: Registry, tmp_path: Path):
    folder = fetch(tiny(), tmp_path, registry.address)
    assert sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.*")) == [
        "folder/wanted.json",
        "wanted.json",
    ]
    assert fetch(tiny(), tmp_path, registry.address) == folder
    assert registry.asked == [(ADDRESS, None)]


def test_processes_that_want_the_same_package_fetch_it_once(registry: Registry, tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: fetch(tiny(), tmp_path, registry.address), range(8)))
    assert len(folders) == 1
    assert registry.asked == [(ADDRESS, None)]


def test_another_choice_of_files_is_unpacked_from_the_archive_that_is_there(registry: Registry, tmp_path: Path):
    fetch(tiny(), tmp_path, registry.address)
    folder = fetch(tiny(keep=()), tmp_path, registry.address)
    assert (folder / "unwanted.txt").exists()
    assert len(registry.asked) == 1


def test_a_half_fetched_archive_is_resumed(registry: Registry, tmp_path: Path):
    (tmp_path / "tiny-1.0.0.tgz.part").write_bytes(ARCHIVE[:100])
    assert (fetch(tiny(), tmp_path, registry.address) / "wanted.json").read_text() == "{}"
    assert registry.asked == [(ADDRESS, "bytes=100-")]


def test_an_archive_that_was_whole_but_not_yet_renamed_is_taken(registry: Registry, tmp_path: Path):
    (tmp_path / "tiny-1.0.0.tgz.part").write_bytes(ARCHIVE)
    assert (fetch(tiny(), tmp_path, registry.address) / "wanted.json").exists()


def test_a_damaged_archive_is_fetched_again(registry: Registry, tmp_path: Path):
    (tmp_path / "tiny-1.0.0.tgz").write_bytes(b"damaged" + ARCHIVE)
    assert (fetch(tiny(), tmp_path, registry.address) / "wanted.json").exists()
    assert registry.asked == [(ADDRESS, None)]


def test_a_damaged_beginning_is_fetched_again_from_the_start(registry: Registry, tmp_path: Path):
    (tmp_path / "tiny-1.0.0.tgz.part").write_bytes(b"x" * 100)
    assert (fetch(tiny(), tmp_path, registry.address) / "wanted.json").exists()
    assert [wanted for _, wanted in registry.asked] == ["bytes=100-", None]


def test_another_package_than_the_pinned_one_is_refused_and_not_unpacked(registry: Registry, tmp_path: Path):
    with pytest.raises(FetchError, match=r"@scope/tiny 1\.0\.0 is not the package that was pinned.*fetched twice"):
        fetch(tiny(b"something else"), tmp_path, registry.address)
    assert len(registry.asked) == 2
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_package_that_is_not_there_is_said(registry: Registry, tmp_path: Path):
    missing = Package("gone", "npm", "gone", "1.0.0", "sha512-x")
    with pytest.raises(FetchError, match=r"/gone/-/gone-1\.0\.0\.tgz answers 404"):
        fetch(missing, tmp_path, registry.address)


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path):
    with pytest.raises(FetchError, match=r"cannot be fetched.*Is there a network\? Run the command again"):
        fetch(tiny(), tmp_path, "http://127.0.0.1:9")


def test_a_registry_may_be_a_folder(tmp_path: Path):
    file = tmp_path / "registry" / ADDRESS[1:]
    file.parent.mkdir(parents=True)
    file.write_bytes(ARCHIVE)
    folder = fetch(tiny(), tmp_path / "packages", (tmp_path / "registry").as_uri())
    assert (folder / "wanted.json").exists()


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A Debian package, and an `apt-get` that can download it."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("needs dpkg-deb")
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: tiny\nVersion: 1:1.0-2\nArchitecture: all\nMaintainer: none <none@none>\nDescription: tiny\n"
    )
    (tree / "usr/share").mkdir(parents=True)
    (tree / "usr/share/picture.svg").write_text("<svg/>")
    built = tmp_path / "tiny_1%3a1.0-2_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, built], check=True, capture_output=True)
    programs = tmp_path / "bin"
    programs.mkdir()
    script = programs / "apt-get"
    script.write_text(f'#!/bin/sh\n[ "$3" = "tiny=1:1.0-2" ] || {{ echo "E: no $3" >&2; exit 100; }}\ncp "{built}" .\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return Package("tiny", "deb", "tiny", "1:1.0-2", f"sha256-{hashlib.sha256(built.read_bytes()).hexdigest()}")


def test_a_debian_package_is_fetched_by_apt_and_unpacked(debian: Package, tmp_path: Path):
    folder = fetch(debian, tmp_path / "packages")
    assert (folder / "usr/share/picture.svg").read_text() == "<svg/>"


def test_what_apt_says_is_passed_on(debian: Package, tmp_path: Path):
    newer = Package("tiny", "deb", "tiny", "1:2.0-1", debian.hash)
    with pytest.raises(
        FetchError, match=r"(?s)apt-get cannot fetch tiny 1:2\.0-1: E: no tiny=1:2\.0-1.*apt-get update"
    ):
        fetch(newer, tmp_path / "packages")


def test_without_apt_the_error_says_where_to_put_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    package = Package("tiny", "deb", "tiny", "1.0", "sha256-x")
    with pytest.raises(FetchError, match=r"no apt-get here. Put its file, version 1\.0, at .*tiny-1\.0\.deb"):
        fetch(package, tmp_path / "packages")
