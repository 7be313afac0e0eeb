"""Who visitors are, and how much each may upload."""

from __future__ import annotations

import ipaddress
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradio.context import LocalContext

SECONDS = 3600.0  # for which a file is kept after its last use
FILES_OF_ONE, BYTES_OF_ONE = 64, 128 * 2**20
BYTES_OF_ALL = 2 * 2**30
VISITOR = "starflow.visitor"  # the key of a request's visitor in its ASGI scope


def visitor_of(host: str) -> str:
    """Return the visitor of an address: the address itself, or for IPv6 its /64 network, which one customer has."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)


def visitor_in(scope: Mapping[str, Any]) -> str:
    """Return the visitor of a request, from its ASGI scope."""
    return str(scope.get(VISITOR) or visitor_of((scope.get("client") or ("",))[0]))


def current_owners() -> tuple[str, str]:
    """Return the visitor and the page of the current Gradio call; two empty texts outside of a call."""
    request = LocalContext.request.get(None)
    if request is None or request.request is None:
        return "", ""
    return visitor_in(request.request.scope), str(request.session_hash)


class TooMuch(Exception):
    """The uploads of a visitor, or of all visitors, exceed a limit; the message says so in a sentence."""


@dataclass
class Upload:
    """The files of one upload request.

    Attributes:
        visitor: its owner.
        folder: the folder of the files.
        size: the bytes that have arrived.
        count: the files that have arrived.
        sessions: the pages that have used it.
        used: the time of its last use, by the monotonic clock.
    """

    visitor: str
    folder: Path
    size: int = 0
    count: int = 0
    sessions: set[str] = field(default_factory=set)
    used: float = 0.0


class Uploads:
    """The uploads of all visitors, with limits for each visitor and for all together; unused uploads are removed.

    Args:
        seconds: how long an upload is kept after its last use.
        count, size: the most files and bytes of one visitor at a time.
        size_of_all: the most bytes of all visitors.
        clock: returns the time, in seconds.
    """

    def __init__(
        self,
        seconds: float = SECONDS,
        count: int = FILES_OF_ONE,
        size: int = BYTES_OF_ONE,
        size_of_all: int = BYTES_OF_ALL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._count, self._size, self._size_of_all = seconds, count, size, size_of_all
        self._clock = clock
        self._uploads: list[Upload] = []
        self._lock = threading.Lock()

    def begin(self, visitor: str, folder: Path) -> Upload:
        """Add an upload that begins to arrive; remove uploads that have not been used for `seconds`."""
        with self._lock:
            oldest = self._clock() - self._seconds
            self._remove([upload for upload in self._uploads if upload.used < oldest])
            upload = Upload(visitor, folder, used=self._clock())
            self._uploads.append(upload)
            return upload

    def arrived(self, upload: Upload, size: int, count: int = 0) -> None:
        """Add bytes and files that have arrived to an upload.

        Raises:
            TooMuch: they exceed a limit.
        """
        with self._lock:
            upload.size, upload.count = upload.size + size, upload.count + count
            mine = [one for one in self._uploads if one.visitor == upload.visitor]
            if sum(one.size for one in mine) > self._size or sum(one.count for one in mine) > self._count:
                raise TooMuch(
                    f"You have uploaded more than there is room for here: {self._count} files, and "
                    f"{self._size // 2**20} MB together. What you sent before goes when you close its page; close it, "
                    f"or come back in {self._seconds / 60:.0f} minutes."
                )
            if sum(one.size for one in self._uploads) > self._size_of_all:
                raise TooMuch("Others have uploaded so much that there is no room now; come back in a while.")

    def used(self, path: Path, session: str) -> None:
        """Record that a page has used a file; the upload may be removed when that page is closed."""
        with self._lock:
            for upload in self._uploads:
                if path.is_relative_to(upload.folder):
                    upload.used = self._clock()
                    upload.sessions.add(session)

    def left(self, session: str) -> None:
        """Remove the uploads that only this page, now closed, has used."""
        with self._lock:
            mine = [upload for upload in self._uploads if session in upload.sessions]
            for upload in mine:
                upload.sessions.remove(session)
            self._remove([upload for upload in mine if not upload.sessions])

    def forget(self, upload: Upload) -> None:
        """Remove an upload."""
        with self._lock:
            self._remove([upload])

    def held(self) -> Counter[str]:
        """Return the uploaded bytes of each visitor."""
        with self._lock:
            held: Counter[str] = Counter()
            for upload in self._uploads:
                held[upload.visitor] += upload.size
            return held

    def _remove(self, uploads: list[Upload]) -> None:
        for upload in uploads:
            shutil.rmtree(upload.folder, ignore_errors=True)
            self._uploads.remove(upload)


UPLOADS = Uploads()
