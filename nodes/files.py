"""Files that nodes write and read: in a host's own folders, and nowhere else."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import stat
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import BinaryIO

Save = Callable[[bytes], str]
NUMBER = 5  # digits of a file's number, as ComfyUI's Save Image has them
FLAGS = ("O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")


def checked_prefix(prefix: str, root: Path) -> str:
    """Check the beginning of the names of files to write, which may name folders before it.

    Raises:
        ValueError: it is empty, or leads out of `root`, the folder of files.
    """
    path = PurePath(prefix)
    if not path.name or prefix.endswith(("/", os.sep)):
        raise ValueError(f"The filename prefix {prefix!r} names no file; give one such as starflow.")
    is_inside = not path.anchor and ".." not in path.parts and "\0" not in prefix
    if not is_inside or not (root / path).parent.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"The filename prefix {prefix!r} leads out of the output folder; give one without that.")
    return prefix


def saving(root: Path, folder: Path, stem: str, suffix: str) -> Save:
    """Check that files can be written, and return what writes one.

    What is returned takes the bytes of a file, and returns its name beneath the root, with `/` between folders. Files
    have numbers, as those of ComfyUI's Save Image. A file is written whole or not at all, and replaces no other.

    Args:
        root: that no file leaves.
        folder: of the files, in the root; it is made where there is none.
        stem: how the names begin.
        suffix: how they end.

    Raises:
        ValueError: the folder is outside the root, or closed; or, later, a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        inner = folder.resolve()
        if not inner.is_relative_to(root.resolve()):
            raise ValueError(f"The folder {folder} leads out of {root}; choose another filename prefix.")
        if not os.access(inner, os.W_OK):
            raise PermissionError(0, "it is closed")
    except OSError as error:
        raise _unwritten(f"The folder {folder}", error) from None

    def save(data: bytes) -> str:
        part = inner / f".{secrets.token_hex(8)}.part"
        try:
            part.write_bytes(data)
            path = _claimed(inner, stem, suffix)
            _replace(part, path)
        except OSError as error:
            raise _unwritten(f"{stem}{suffix}", error) from None
        finally:
            part.unlink(missing_ok=True)
        return path.relative_to(root.resolve()).as_posix()

    return save


def _claimed(folder: Path, stem: str, suffix: str) -> Path:
    """Create an empty file of the next number; creation is exclusive."""
    numbered = re.compile(rf"{re.escape(stem)}_(\d+)_.*", re.IGNORECASE)
    taken = [int(found[1]) for name in os.listdir(folder) if (found := numbered.fullmatch(name))]
    for number in itertools.count(max(taken, default=0) + 1):
        path = folder / f"{stem}_{number:0{NUMBER}}_{suffix}"
        try:
            path.open("x").close()
        except FileExistsError:
            continue
        return path
    raise AssertionError("numbers do not end")


def _replace(part: Path, path: Path) -> None:
    try:
        os.replace(part, path)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _unwritten(what: str, error: OSError) -> ValueError:
    return ValueError(f"{what} cannot be written: {error.strerror or error}.")


def read(name: str, roots: Sequence[Path], suffix: str) -> bytes:
    """Read a file in one of some folders; the first that has it counts.

    Args:
        name: of the file beneath a folder, or its path.
        roots: the folders.
        suffix: of the file.

    Raises:
        ValueError: there is no such file, it cannot be read, or it is elsewhere: `..`, links, and paths that lead out
            of the folders are refused.
    """
    try:
        with _opened(name, roots, suffix) as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"{name!r} cannot be read: {error.strerror or error}.") from None


def version(name: str, roots: Sequence[Path], suffix: str) -> tuple[int, int]:
    """When a file was changed, in nanoseconds, and its bytes; errors are those of `read`."""
    with _opened(name, roots, suffix) as file:
        found = os.fstat(file.fileno())
    return found.st_mtime_ns, found.st_size


def _opened(name: str, roots: Sequence[Path], suffix: str) -> BinaryIO:
    if not name.strip():
        raise ValueError(f"No file is named; give the name of an {suffix} file in the output or input folder.")
    given = PurePath(name)
    if given.suffix.lower() != suffix:
        raise ValueError(f"{name!r} is no {suffix} file; give the name of one.")
    outside = ValueError(f"{name!r} is refused: files are read in the output and input folders only, without links.")
    if ".." in given.parts or "\0" in name:
        raise outside
    is_inside = False
    for root in (root.resolve() for root in roots):
        path = root / given
        if not path.is_relative_to(root):
            continue
        is_inside = True
        parts = path.relative_to(root).parts
        steps = [root.joinpath(*parts[: i + 1]) for i in range(len(parts))]
        if any(step.is_symlink() for step in steps) or not path.resolve().is_relative_to(root):
            raise outside
        try:
            return _regular(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ValueError(f"{name!r} cannot be read: {error.strerror or error}.") from None
    raise ValueError(f"There is no file {name!r} in the output or input folder.") if is_inside else outside


def _regular(path: Path) -> BinaryIO:
    """Open a file that is no link, pipe or folder."""
    opened = os.open(path, sum(getattr(os, flag, 0) for flag in FLAGS))
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(0, "it is no plain file")
    return os.fdopen(opened, "rb")
