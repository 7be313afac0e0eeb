"""Locks of files: one run at a time writes a table."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# What `flock` says of a file that another process has locked; Windows says the last two.
IS_LOCKED = {errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}
# The byte that is locked on Windows, where nobody else can read a locked byte: it lies beyond the text.
PLACE = 2**20


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, `NAME.lock` beside it; the file itself need not be there.

    The operating system keeps the lock for this process, and frees it when the process ends, however it ends. So a
    lock file that a killed run leaves locks nothing. Where no lock can be had, as on some file systems that machines
    share, the work goes on without.

    Raises:
        ValueError: another run holds the lock.
    """
    real = Path(os.path.realpath(path))  # a link stands for the file that it names
    lock = real.with_name(f"{real.name}.lock")
    opened = _opened(lock, path)
    try:
        with suppress(OSError):
            os.ftruncate(opened, 0)
            os.write(opened, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        with suppress(OSError):  # on Windows an open file stays
            lock.unlink()
        with suppress(OSError):
            os.close(opened)


def _opened(lock: Path, path: Path) -> int:
    """The descriptor of a lock file, locked; −1 where no lock can be had.

    Raises:
        ValueError: another run holds the lock.
    """
    while True:
        try:
            opened = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return -1
        if not _locks(opened):
            holder = os.read(opened, 200).decode(errors="replace")
            os.close(opened)
            told = f"{path} is being written by another run{holder and f', {holder}'}"
            raise ValueError(f"{told}; wait for its end, or choose another file.")
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(opened), os.stat(lock)):
                return opened
        os.close(opened)  # its run has ended between the two steps and removed it, so nobody else would see this lock


def _locks(opened: int) -> bool:
    """Lock a file without waiting; return whether it is not locked by another process."""
    try:
        if sys.platform == "win32":
            os.lseek(opened, PLACE, os.SEEK_SET)
            msvcrt.locking(opened, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:
        return error.errno not in IS_LOCKED
    finally:
        os.lseek(opened, 0, os.SEEK_SET)
