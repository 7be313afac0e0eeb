"""The check of every HTTP request: whether its address is open, whether it is small enough, and whose it is."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection
from pathlib import Path

import gradio
from fastapi import Request
from fastapi.responses import JSONResponse
from gradio import routes
from gradio.route_utils import MultiPartException, upload_fn
from gradio.utils import get_upload_folder
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .agent_files import agents_body
from .files import ADDRESS, new_folder, open_upload
from .uploads import MAX_FILE
from .visitors import UPLOADS, VISITOR, TooMuch, Upload, visitor_of

API = "/gradio_api/"
# Names below API that the pages, `gradio_client` and agents use. Gradio has more, such as a proxy and a video editor.
OPEN = {
    *("app_id", "info", "openapi.json", "startup-events", "theme.css", "login_check", "user", "custom_component"),
    *("queue", "call", "run", "api", "cancel", "reset", "heartbeat", "upload", "upload_progress", "mcp"),
}
CLOSED = {"monitoring", "login", "logout"}  # names that are not below API
MOST_BYTES, MOST_BYTES_OF_AGENT = 2**20, 8 * 2**20  # of a request that is no upload; agents embed pictures
DRAINED = 64 * 2**20  # bytes of a refused request that are still read
# For a call of an agent, this program sends a request to itself. A header names the visitor, and SECRET proves that the
# header is from this program.
HEADER, SECRET = b"x-starflow-visitor", secrets.token_hex(16)


class Gate:
    """ASGI middleware that checks requests before Gradio's routes get them.

    Args:
        app: the application behind it.
        more: names below `API` that are open in addition to `OPEN`.
    """

    def __init__(self, app: ASGIApp, more: Collection[str] = ()) -> None:
        self._app, self._open = app, OPEN | set(more)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scope[VISITOR] = _identified(scope)
        body = _Body(receive)
        try:
            if not _is_open(scope["method"], scope["path"], self._open):
                raise HTTPException(403, "There is nothing here.")
            if scope["path"].rstrip("/") == f"{API}upload":
                reply = await _uploaded(Request(scope, body))
                return await reply(scope, body, send)
            receive = await _bounded(scope, body)
        except HTTPException as error:
            await body.drain()
            return await JSONResponse({"detail": error.detail}, error.status_code)(scope, body, send)
        await self._app(scope, receive, send)


class _Body:
    """The incoming body of a request."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_whole = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._is_whole = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read the rest and discard it: a client that is cut off while it sends does not see the answer."""
        left = DRAINED
        while left > 0 and not self._is_whole:
            left -= len((await self()).get("body", b""))


def _identified(scope: Scope) -> str:
    """Return the visitor of a request, by the address that it came from.

    Remove the header `HEADER` that a client sent. Trust it only if it has the secret of this program.
    """
    given = [value.decode("latin-1") for name, value in scope["headers"] if name == HEADER]
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name != HEADER]
    told = [value.removeprefix(f"{SECRET}:") for value in given if value.startswith(f"{SECRET}:")]
    visitor = told[0] if told else visitor_of((scope.get("client") or ("",))[0])
    if scope["path"].startswith(f"{API}mcp"):
        scope["headers"].append((HEADER, f"{SECRET}:{visitor}".encode()))
    return visitor


def _is_open(method: str, path: str, names: Collection[str]) -> bool:
    """Return whether Gradio may handle a request; requests for files are limited to the demo's folder."""
    if path.startswith(ADDRESS):
        with contextlib.suppress(gradio.Error), open_upload(path.removeprefix(ADDRESS), Path(get_upload_folder())):
            return True
        return False
    if path.startswith(API):
        return path.removeprefix(API).split("/")[0] in names
    return method in ("GET", "HEAD") and path.split("/")[1] not in CLOSED


async def _bounded(scope: Scope, receive: Receive) -> Receive:
    """Read the whole body of a request; return a function that replays it. `agents_body` checks that of an agent.

    Raises:
        HTTPException: the body is too large, or an agent's body names a file outside this demo.
    """
    if scope["method"] in ("GET", "HEAD"):
        return receive
    is_agent = scope["path"].startswith(f"{API}mcp")
    most = MOST_BYTES_OF_AGENT if is_agent else MOST_BYTES
    body, is_more = b"", True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
        if len(body) > most:
            raise HTTPException(413, f"This request is larger than {most // 2**20} MB; send files as uploads.")
    if is_agent:
        body = agents_body(body, scope[VISITOR])
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


async def _uploaded(request: Request) -> JSONResponse:
    """Receive an upload into a folder of its own; reply with the paths of its files, as Gradio's own route does.

    Raises:
        HTTPException: the upload is too large, exceeds the visitor's limits, or is malformed.
    """
    upload = UPLOADS.begin(request.scope[VISITOR], new_folder())
    try:
        paths = await _received(request, upload)
        UPLOADS.arrived(upload, 0, len(paths))
        return JSONResponse([str(path) for path in paths])
    except BaseException as error:
        UPLOADS.forget(upload)
        if isinstance(error, TooMuch):
            raise HTTPException(429, str(error)) from None
        if isinstance(error, OSError):
            raise HTTPException(400, "This file has no name that can be used here; rename it.") from None
        if isinstance(error, ClientDisconnect):
            raise HTTPException(400, "The upload broke off.") from None
        if isinstance(error, MultiPartException):
            is_large = "exceeded maximum allowed size" in error.message
            told = (
                f"This file is larger than {MAX_FILE // 2**20} MB; scale it down first." if is_large else error.message
            )
            raise HTTPException(413 if is_large else 400, told) from None
        raise


async def _received(request: Request, upload: Upload) -> list[str]:
    receive = request.receive

    async def counted() -> Message:
        message = await receive()
        UPLOADS.arrived(upload, len(message.get("body", b"")))
        return message

    progress = request.query_params.get("upload_id")
    paths, _, _ = await upload_fn(
        Request(request.scope, counted),
        os.fspath(upload.folder),
        MAX_FILE,
        progress,
        upload_progress=routes.file_upload_statuses if progress else None,
    )
    return paths
