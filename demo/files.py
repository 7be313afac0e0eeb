"""The files that requests name.

No function of a page opens a file by a name from a request. This module opens each file once, checks it, and copies it
into a folder of that call.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import gradio
from gradio.utils import get_upload_folder

from .uploads import MAX_FILE
from .visitors import FILES_OF_ONE, UPLOADS

REFUSED = "This is no file that was uploaded here, or it is gone by now; upload it, and send what the upload answered."
ADDRESS = "/gradio_api/file="  # precedes the path in this server's address of a file
UPLOADED = "uploads"  # the folder of uploads
HELD = "held"  # the folder of the copies for calls


def new_folder() -> Path:
    """Return a path for the folder of an upload; the folder does not exist yet."""
    return Path(get_upload_folder()) / UPLOADED / secrets.token_hex(16)


def open_upload(reference: Any, folder: Path) -> BinaryIO:
    """Open a file of the demo's folder; `reference` is its path, or this server's address of it.

    Raises:
        gradio.Error: it is missing, in another place, a folder, a link, a device, a pipe, or another address. The
            message is always the same, so that it reveals nothing about the files on this machine.
    """
    folder = folder.resolve()
    try:
        path = Path(path_of(reference))
        if not path.is_relative_to(folder):  # not even looked up: the time of a look-up would tell whether it exists
            raise OSError
        real = path.resolve(strict=True)
        found = real.lstat()
        if real != path or not stat.S_ISREG(found.st_mode):
            raise OSError
        flags = ("O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
        opened = os.open(real, sum(getattr(os, flag, 0) for flag in flags))
        if not os.path.samestat(found, os.fstat(opened)):
            os.close(opened)
            raise OSError
        return os.fdopen(opened, "rb")
    except (OSError, ValueError, RuntimeError):
        raise gradio.Error(REFUSED, print_exception=False) from None


def path_of(reference: Any) -> str:
    """Return the path in a reference to a file, which is a path or this server's address of the file.

    Raises:
        ValueError: the reference is not text.
    """
    if not isinstance(reference, str):
        raise ValueError
    if ADDRESS in reference:
        reference = urllib.parse.unquote(reference.rpartition(ADDRESS)[2])
    return os.path.normpath(reference)


def is_file(value: Any) -> bool:
    """Return whether a JSON value is a reference to a file, in the form of Gradio's clients."""
    return isinstance(value, dict) and bool(value.keys() & {"path", "url"})


def with_files(value: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    """Return a JSON value with `change` applied to each reference to a file."""
    if is_file(value):
        return change(value)
    if isinstance(value, dict):
        return {name: with_files(one, change) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_files(one, change) for one in value]
    return value


class Hold:
    """Copies of the files of one call, in a folder of their own; `release` removes them."""

    def __init__(self, files: Path, session: str) -> None:
        self._files, self._session = files, session
        self._folder = files / HELD / secrets.token_hex(16)
        self.paths: list[str] = []

    def hold(self, value: Any) -> Any:
        """Copy each file that a JSON value names; return the value with references to the copies.

        Raises:
            gradio.Error: a file may not be read, a file is too large, or there are too many files.
        """
        return with_files(value, self._held)

    def release(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _held(self, given: dict[str, Any]) -> dict[str, Any]:
        if len(self.paths) == FILES_OF_ONE:
            raise gradio.Error(f"These are more than {FILES_OF_ONE} files at once; send fewer.", print_exception=False)
        reference = given.get("path") or given.get("url")
        with open_upload(reference, self._files) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE:
                told = f"This file is larger than {MAX_FILE // 2**20} MB; scale the picture down first."
                raise gradio.Error(told, print_exception=False)
            path = self._folder / str(len(self.paths)) / Path(path_of(reference)).name
            path.parent.mkdir(parents=True)
            self.paths.append(str(path))
            with path.open("xb") as copy:
                shutil.copyfileobj(file, copy)
        UPLOADS.used(Path(path_of(reference)), self._session)
        name = given.get("orig_name")
        kept = {"orig_name": name} if isinstance(name, str) else {}
        return {"path": str(path), "size": size, "meta": {"_type": "gradio.FileData"}, **kept}
