"""The files in calls of agents, which use the Model Context Protocol.

Gradio reads the files that such a call names, and uploads them to itself, before it calls any function. So this module
checks them earlier. It leaves only addresses of this server, which Gradio does not read.
"""

from __future__ import annotations

import base64
import json
import mimetypes
import urllib.parse
from pathlib import Path
from typing import Any

import gradio
from gradio.utils import get_upload_folder
from starlette.exceptions import HTTPException

from .files import ADDRESS, is_file, new_folder, open_upload, path_of
from .visitors import UPLOADS, TooMuch


def agents_body(body: bytes, visitor: str) -> bytes:
    """Return the body of an agent's request, with each file name in it replaced by an address of this server.

    Pictures in data URIs become uploads of the visitor.

    Raises:
        HTTPException: the body is not JSON, it names a file outside this demo, or its pictures exceed the visitor's
            limits.
    """
    try:
        calls = json.loads(body or b"{}")
        for call in calls if isinstance(calls, list) else [calls]:
            parameters = call.get("params") if isinstance(call, dict) else None
            if isinstance(parameters, dict) and "arguments" in parameters:
                parameters["arguments"] = _checked(parameters["arguments"], visitor)
        return json.dumps(calls).encode()
    except TooMuch as error:
        raise HTTPException(429, str(error)) from None
    except gradio.Error as error:
        raise HTTPException(400, str(error.message)) from None
    except (ValueError, RecursionError):
        raise HTTPException(400, "This is no JSON, or a data URI in it cannot be read.") from None


def _checked(value: Any, visitor: str) -> Any:
    if is_file(value):
        return {**value, "path": _address(value.get("path") or value.get("url"))}
    if isinstance(value, dict):
        return {name: _checked(one, visitor) for name, one in value.items()}
    if isinstance(value, list):
        return [_checked(one, visitor) for one in value]
    if isinstance(value, str) and value.startswith("data:"):
        return _address(_uploaded(value, visitor))
    return _address(value) if isinstance(value, str) and ADDRESS in value else value


def _address(reference: Any) -> str:
    """Return this server's address of a file in the demo's folder.

    Raises:
        gradio.Error: there is no such file.
    """
    open_upload(reference, Path(get_upload_folder())).close()
    return f"http://localhost{ADDRESS}{urllib.parse.quote(path_of(reference))}"


def _uploaded(uri: str, visitor: str) -> str:
    """Keep the content of a data URI as an upload; return its path.

    Raises:
        TooMuch: the content exceeds the visitor's limits.
        ValueError: the data URI cannot be decoded.
    """
    kind, _, text = uri.removeprefix("data:").partition(",")
    is_base64 = kind.endswith(";base64")
    data = base64.b64decode(text) if is_base64 else urllib.parse.unquote_to_bytes(text)
    upload = UPLOADS.begin(visitor, new_folder())
    try:
        UPLOADS.arrived(upload, len(data), 1)
    except TooMuch:
        UPLOADS.forget(upload)
        raise
    upload.folder.mkdir(parents=True)
    path = upload.folder / f"picture{mimetypes.guess_extension(kind.split(';')[0]) or ''}"
    path.write_bytes(data)
    return str(path)
