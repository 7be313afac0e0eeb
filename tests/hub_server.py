"""A server on loopback that plays the Hub's part, and the network's worst days."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Fault = Callable[["Handler", bytes], None]


class Hub:
    """Repositories of files, and what goes wrong with them.

    Attributes:
        files: bytes by `owner/name/path`; those of plain addresses by their path.
        small: names of files that are not in LFS, and have git's hash for an etag.
        faults: what happens instead of an answer to GET, in turn, by the end of the name; then all is well.
        head_faults: HTTP statuses with which HEAD is answered, in turn, by the end of the name.
        sent: bytes of bodies that were sent, by name.
        requests: how often each method and name was asked for.
        tokens: the authorization headers that came, by method and host.
        ranges: whether parts of files can be asked for.
        elsewhere: another server, to which large files are redirected.
        lies: etags that are not those of the bytes, by name.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.small: set[str] = set()
        self.faults: dict[str, list[Fault]] = {}
        self.head_faults: dict[str, list[int]] = {}
        self.sent: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.tokens: list[tuple[str, str | None]] = []
        self.ranges = True
        self.elsewhere: Hub | None = None
        self.lies: dict[str, str] = {}
        self.gated: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.hub = self  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def etag(self, name: str) -> str:
        content = self.files[name]
        if name in self.lies:
            return self.lies[name]
        if name in self.small:
            return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        return hashlib.sha256(content).hexdigest()

    def fault(self, kinds: dict[str, list[Any]], name: str) -> Any:
        """The next thing that goes wrong with a file, or None."""
        for ending, faults in kinds.items():
            if name.endswith(ending) and faults:
                return faults.pop(0)
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    @property
    def hub(self) -> Hub:
        hub: Hub = self.server.hub
        return hub

    def do_HEAD(self) -> None:
        self._answer(is_head=True)

    def do_GET(self) -> None:
        self._answer(is_head=False)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, is_head: bool) -> None:
        path = unquote(self.path.partition("?")[0]).strip("/")
        self.hub.tokens.append((self.command, self.headers.get("Authorization")))
        if path.startswith("api/models/"):
            self._list(path.removeprefix("api/models/").partition("/revision/")[0])
            return
        owner, _, rest = path.partition("/resolve/")
        name = f"{owner}/{rest.partition('/')[2]}" if rest else path
        self.hub.requests[f"{self.command} {name}"] += 1
        if status := self.hub.fault(self.hub.head_faults, name) if is_head else None:
            self.status(status)
        elif any(name.startswith(gated) for gated in self.hub.gated):
            self.status(403, {"X-Error-Code": "GatedRepo"})
        elif name not in self.hub.files:
            known = any(other.startswith(f"{owner}/") for other in self.hub.files)
            self.status(404, {"X-Error-Code": "EntryNotFound" if known else "RepoNotFound"})
        else:
            self._send(name, is_head, on_hub=bool(rest))

    def _list(self, repository: str) -> None:
        names = [name for name in self.hub.files if name.startswith(f"{repository}/")]
        if not names:
            self.status(404, {"X-Error-Code": "RepoNotFound"})
            return
        siblings = []
        for name in names:
            entry: dict[str, Any] = {
                "rfilename": name.removeprefix(f"{repository}/"),
                "size": len(self.hub.files[name]),
            }
            if name not in self.hub.small:
                entry["lfs"] = {"sha256": self.hub.etag(name), "size": entry["size"], "pointerSize": 100}
            siblings.append(entry)
        content = json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings}).encode()
        self.status(200, {"Content-Type": "application/json"}, content)

    def _send(self, name: str, is_head: bool, on_hub: bool) -> None:
        content = self.hub.files[name]
        headers = {"ETag": f'"{self.hub.etag(name)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if on_hub and name not in self.hub.small:
            headers |= {"X-Linked-Etag": f'"{self.hub.etag(name)}"', "X-Linked-Size": str(len(content))}
            if self.hub.elsewhere is not None:
                headers["Location"] = f"{self.hub.elsewhere.address}/{name}"
                self.status(302, headers)
                return
        start = self._start()
        status = 206 if start else 200
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = b"" if is_head else content[start:]
        fault = None if is_head else self.hub.fault(self.hub.faults, name)
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content) - start)}.items():
            self.send_header(key, value)
        if fault is None:
            self.end_headers()
            self.send_body(name, body)
        else:
            self.hub.requests["faults"] += 1
            fault(self, body)

    def _start(self) -> int:
        asked = self.headers.get("Range", "") if self.hub.ranges else ""
        return int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0

    def send_body(self, name: str, body: bytes) -> None:
        self.wfile.write(body)
        if body:
            self.hub.sent[name] += len(body)

    def status(self, status: int, headers: dict[str, str] | None = None, content: bytes = b"") -> None:
        """A whole answer."""
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    def drop(self, *, reset: bool) -> None:
        """End the connection: with a reset, or as if all had been sent."""
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            if reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            else:
                self.connection.shutdown(socket.SHUT_RDWR)


def cut(share: float, *, reset: bool) -> Fault:
    """The connection ends after a share of what was asked for."""

    def fault(handler: Handler, body: bytes) -> None:
        handler.end_headers()
        some = body[: int(len(body) * share)]
        handler.wfile.write(some)
        handler.hub.sent["cut"] += len(some)
        if reset:
            time.sleep(0.05)  # or the reset overtakes the bytes
        handler.drop(reset=reset)

    return fault


def status(code: int, headers: dict[str, str] | None = None) -> Fault:
    """Another answer than the file."""

    def fault(handler: Handler, body: bytes) -> None:
        handler._headers_buffer = []  # type: ignore[attr-defined]  # what was to be said of the file
        handler.status(code, headers)

    return fault


def corrupted(handler: Handler, body: bytes) -> None:
    """As many bytes as there should be, one of them another."""
    handler.end_headers()
    handler.wfile.write(body[:-1] + bytes([body[-1] ^ 1]))


def truncated(handler: Handler, body: bytes) -> None:
    """A whole answer, of half of the bytes."""
    handler._headers_buffer = []  # type: ignore[attr-defined]
    handler.status(206 if handler._start() else 200, {}, body[: len(body) // 2])


def stalled(handler: Handler, body: bytes) -> None:
    """Half of the bytes, and then nothing, with the connection open."""
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    time.sleep(3)
    handler.close_connection = True
