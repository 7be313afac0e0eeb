"""A client of the demo as somebody writes it who keeps to no rules."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from demo_server import Demo

WAIT = 120  # seconds for an answer


class RawClient:
    """Sends what it is told to, from an address of its own.

    Args:
        demo: the server.
        address: that a proxy would say the requests come from; loopback itself where there is none.
    """

    def __init__(self, demo: Demo, address: str = "") -> None:
        self.demo, self.session = demo, secrets.token_hex(8)
        self._headers = {"X-Forwarded-For": address} if address else {}

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and text of what is answered; `body` is bytes, or becomes JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.asked(urllib.request.Request(
            self.demo.address + path, data, {"Content-Type": "application/json", **self._headers, **(headers or {})}
        ))  # fmt: skip

    def get(self, path: str) -> tuple[int, str]:
        return self.asked(urllib.request.Request(self.demo.address + path, headers=self._headers))

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(self.get("/config")[1])
        return config

    def upload(self, *files: tuple[str, bytes]) -> tuple[int, str]:
        """As a browser sends files by a form."""
        parts = [
            f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
            for name, data in files
        ]
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        return self.post("/gradio_api/upload", b"".join(parts) + b"--b--\r\n", kind)

    def uploaded(self, path: Path) -> str:
        """Where a file that was uploaded lies now."""
        status, answer = self.upload((path.name, path.read_bytes()))
        assert status == 200, answer
        (found,) = json.loads(answer)
        return str(found)

    def call(self, function: int, data: list[Any], event_data: Any = None) -> str:
        """What comes of calling a function by its number: of the queue where it has one, past it otherwise."""
        body = {"fn_index": function, "session_hash": self.session, "data": data, "event_data": event_data}
        status, answer = self.post("/gradio_api/run/predict", body)
        if "does not accept direct" not in answer:
            return answer
        status, answer = self.join(function, data, event_data)
        return answer if status != 200 else self.followed()

    def join(self, function: int, data: list[Any], event_data: Any = None) -> tuple[int, str]:
        """Ask for a job, and do not wait for it."""
        body = {"fn_index": function, "session_hash": self.session, "data": data, "event_data": event_data}
        return self.post("/gradio_api/queue/join", body)

    def followed(self) -> str:
        """All that is told of this session's jobs, to their end."""
        return self.get(f"/gradio_api/queue/data?session_hash={self.session}")[1]

    def served(self, answer: str) -> list[bytes]:
        """What can be had at the addresses in an answer."""
        found = []
        for address in set(re.findall(r"/gradio_api/file=[^\"\\ ]+", answer)):
            with contextlib.suppress(urllib.error.HTTPError):
                request = urllib.request.Request(self.demo.address + address, headers=self._headers)
                found.append(urllib.request.urlopen(request, timeout=WAIT).read())
        return found

    def asked(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=WAIT) as reply:
                return reply.status, reply.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")


def endpoint(client: RawClient, name: str, **changed: Any) -> tuple[int, list[Any]]:
    """An endpoint's number, and its data as on the page, with some of it changed."""
    config = client.config()
    found = next(one for one in config["dependencies"] if one["api_name"] == name)
    components = {component["id"]: component for component in config["components"]}
    info = json.loads(client.get("/gradio_api/info")[1])["named_endpoints"][f"/{name}"]["parameters"]
    data = [components[number]["props"].get("value") for number in found["inputs"]]
    for i, parameter in enumerate(info):
        data[i] = changed.get(parameter["parameter_name"], data[i])
    return found["id"], data
