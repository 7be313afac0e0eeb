"""Download of one file over a bad network: resumed after a cut, verified before it gets its name.

huggingface_hub restarts a file when its connection is reset, so a file of 15 GB may never arrive. It is asked for
address, size and hash of a file; this module downloads the bytes.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from .remote import OF_THE_DISK, TIMEOUT, FetchError, Remote

CHUNK = 1 << 20
# Consecutive cuts without a byte after which the download fails; seconds to wait after each.
PATIENCE = 8
WAITS = (1, 2, 4, 8, 15, 30, 30, 0.2)  # the last one where bytes had come
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
EXPIRED = (401, 403, 410)  # of an address whose signature expires
NO_SUCH_RANGE = 416
BREATH = 0.2  # seconds
MAX_WAIT = 120  # seconds, whatever a server asks for

Report = Callable[[int], None]


def download(
    remote: Remote,
    target: Path,
    report: Report,
    *,
    again: Callable[[], Remote] | None = None,
    wait: Callable[[float], None] | None = None,
) -> str:
    """Download a file, or its missing part.

    Args:
        remote: the server's description of it.
        target: its path when it is complete and verified. Until then its bytes are beside it.
        report: called with the number of new bytes, negative for discarded ones, often 0; an exception that it
            raises cancels.
        again: asks the server again, where the address may have expired.
        wait: called with the seconds between attempts, in place of sleeping.

    Returns:
        the sha256 of the bytes.

    Raises:
        FetchError: it is not available now, or its hash is wrong.
        OSError: the network or the disk fails.
    """
    part = partial(target, remote)
    report(_size(part))
    failures, is_whole = 0, False
    while not is_whole and (remote.size is None or _size(part) < remote.size):
        before, pause = _size(part), None
        cause: Exception = FetchError(f"The server ends {target.name} after {before:,} bytes again and again.")
        try:
            is_whole = _fetch(remote, part, report)
        except urllib.error.HTTPError as error:
            cause, pause = error, _retry_after(error)
            if error.code == NO_SUCH_RANGE and before:
                _throw_away(part, report)
            elif error.code in EXPIRED and again is not None and not failures:
                remote = again()
            elif error.code not in TRANSIENT:
                raise
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in OF_THE_DISK:
                raise
            cause = error
        failures = 0 if is_whole or _size(part) > before else failures + 1
        if failures >= PATIENCE:
            raise cause
        if not is_whole and _size(part) != remote.size:
            seconds = WAITS[failures - 1] if pause is None else pause
            wait(seconds) if wait is not None else _sleep(seconds, report)
    return _verified(part, target, remote, report)


def partial(target: Path, remote: Remote) -> Path:
    """The path of a partial file; it depends on the server's version of the file."""
    identity = hashlib.sha256((remote.sha256 or remote.etag or remote.address).encode()).hexdigest()[:12]
    return target.with_name(f".{target.name}.{identity}.part")


def _fetch(remote: Remote, part: Path, report: Report) -> bool:
    """Append the missing bytes that one connection delivers; return whether the file is known to be complete."""
    have = _size(part)
    request = urllib.request.Request(remote.address, headers={**remote.headers, "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with _opener().open(request, timeout=TIMEOUT) as reply:
        if have and not _goes_on_at(reply, have):  # the server does not support ranges
            _throw_away(part, report)
        with part.open("ab") as file:
            received = _copy(reply, file, report, None if remote.size is None else remote.size - _size(part))
    announced = reply.headers.get("Content-Length")
    return remote.size is None and (announced is None or received == int(announced))


def _copy(reply: Any, file: IO[bytes], report: Report, at_most: int | None) -> int:
    received = 0
    while chunk := reply.read1(CHUNK):
        received += len(chunk)
        if at_most is not None and received > at_most:
            raise FetchError("The server sends more bytes than it announced; try again later.")
        file.write(chunk)
        report(len(chunk))
    return received


def _goes_on_at(reply: Any, have: int) -> bool:
    return reply.status == 206 and str(reply.headers.get("Content-Range", "")).startswith(f"bytes {have}-")


def _verified(part: Path, target: Path, remote: Remote, report: Report) -> str:
    """Give a file its name if its hash is right; otherwise discard it."""
    sha256, git_sha1 = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % _size(part), usedforsecurity=False)
    with part.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            git_sha1.update(chunk)
    found = sha256.hexdigest()
    wrong = remote.sha256 is not None and found != remote.sha256
    if wrong or (remote.git_sha1 is not None and git_sha1.hexdigest() != remote.git_sha1):
        _throw_away(part, report)
        raise FetchError(
            f"The bytes of {target.name} that came are not those that were announced, and were thrown away; run the "
            "same again. Where it happens again, something between here and the server changes files."
        )
    os.replace(part, target)
    return found


def _throw_away(part: Path, report: Report) -> None:
    report(-_size(part))
    part.unlink()


def _sleep(seconds: float, report: Report) -> None:
    """Sleep, and be cancelled while asleep."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, BREATH))
        report(0)


def _retry_after(error: urllib.error.HTTPError) -> float | None:
    asked = error.headers.get("Retry-After", "")
    return min(float(asked), MAX_WAIT) if asked.isdigit() else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class _NoTokensElsewhere(urllib.request.HTTPRedirectHandler):
    """Follows redirects, and drops the token on the way to another host."""

    def redirect_request(self, request: Any, *args: Any) -> Any:
        redirected = super().redirect_request(request, *args)
        if redirected is not None and urlsplit(redirected.full_url).netloc != urlsplit(request.full_url).netloc:
            redirected.remove_header("Authorization")
        return redirected


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoTokensElsewhere)
