"""The demo's own folder for uploads and pictures; it is removed when the demo ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

PREFIX = "starflow-demo-"
ENDINGS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def own_folder() -> Iterator[Path]:
    """Create a folder for this process alone, and make Gradio and `tempfile` use it.

    Browsers may read its folder `files`, but not its folder `temporary`. The folder is removed when the context ends.
    SIGINT, SIGTERM and SIGHUP end the context too: they raise KeyboardInterrupt. Folders of killed demos are removed
    first. Enter the context in the main thread, and before the import of `gradio.mcp`, which reads the folder's name.
    """
    base = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()).resolve()
    base.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(base)
    folder = base / f"{PREFIX}{secrets.token_hex(8)}"
    lock = _lock(folder)
    lock.acquire()  # before the folder exists, so that no other demo takes it for abandoned
    with _ended_by_signals():
        try:
            folder.mkdir(mode=0o700)
            with _known(folder):
                yield folder
        finally:
            _ignore_signals()  # a second signal must not interrupt the removal
            _remove(folder, lock)


@contextmanager
def _known(folder: Path) -> Iterator[None]:
    files, temporary = folder / "files", folder / "temporary"
    files.mkdir()
    temporary.mkdir()
    # Gradio serves the files in its upload folder and in its examples folder; the latter is in the working directory.
    told = {"GRADIO_TEMP_DIR": files, "GRADIO_EXAMPLES_CACHE": files / "examples", "TMPDIR": temporary}
    before = {name: os.environ.get(name) for name in told}
    os.environ |= {name: str(path) for name, path in told.items()}
    tempfile.tempdir = None
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        tempfile.tempdir = None


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    def end(number: int, frame: Any) -> None:
        _ignore_signals()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _remove_abandoned(base: Path) -> None:
    """Remove the folders of demos that have ended: the system frees the locks of a process whenever it ends."""
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, Timeout):
            if not folder.is_dir() or folder.is_symlink() or not _is_own(folder):
                continue
            lock = _lock(folder)
            lock.acquire(blocking=False)
            _remove(folder, lock)


def _is_own(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.with_name(f".{folder.name}.lock"))


def _remove(folder: Path, lock: FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink()
