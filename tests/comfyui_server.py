"""A real ComfyUI with this pack in it, on the CPU, driven as its own front end drives it.

COMFYUI_DIR is a checkout; COMFYUI_PYTHON a Python with its requirements, this one by default.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server_process import free_port, stop
from websockets.sync.client import ClientConnection, connect

PACK = Path(__file__).parent.parent
HOUR = 3600  # seconds; a guard against waiting for ever, and no limit of how slow a machine may be
POLL = 0.2  # seconds
FINISHED = ("execution_success", "execution_error", "execution_interrupted")
PREVIEW_EVENTS, TEXT_EVENT = (1, 4), 3  # of ComfyUI's binary messages

Graph = dict[str, Any]


def runnable(graph: Graph) -> Graph:
    """A graph without its muted nodes."""
    return {number: node for number, node in graph.items() if not node.get("_meta", {}).get("muted")}


@dataclass
class Run:
    """What came of a prompt.

    Attributes:
        status: "execution_success", "execution_error", "execution_interrupted", or "rejected".
        outputs: what each node showed.
        executed: nodes that ran, in order; those whose results were known from before are not among them.
        progress: (node, done, total) of every step that was reported.
        previews: how many pictures of the drawing under way came.
        remarks: what is written below each node.
        error: what went wrong, in the server's words.
    """

    status: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)
    executed: list[str] = field(default_factory=list)
    progress: list[tuple[str, int, int]] = field(default_factory=list)
    previews: int = 0
    remarks: dict[str, str] = field(default_factory=dict)
    error: str = ""


class ComfyUI:
    """A server; use it as a context.

    Args:
        folder: for its models, inputs and outputs; must be empty.
        arguments: of its command line.
        environment: of its process, beside that of this one.
    """

    def __init__(self, folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.folder, self.arguments = folder, arguments
        # Large blocks of their own, so that what is freed is given back and the process's size tells the truth.
        self.environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"} | (environment or {})
        self.checkout = Path(os.environ["COMFYUI_DIR"])
        self.log = folder / "server.log"
        self._client = uuid.uuid4().hex

    def __enter__(self) -> ComfyUI:
        for name in ("custom_nodes", "models", "input", "output", "temp", "user"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "custom_nodes" / "starflow").symlink_to(PACK, target_is_directory=True)
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        own = ("--cpu", "--port", str(port), "--base-directory", str(self.folder), "--disable-api-nodes")
        command = [os.environ.get("COMFYUI_PYTHON", sys.executable), "main.py", *own, *self.arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=self.checkout, stdout=log, stderr=subprocess.STDOUT, env=self.environment
            )
        self._wait_until_it_answers()
        return self

    def __exit__(self, *error: object) -> None:
        stop(self.process)

    def _wait_until_it_answers(self) -> None:
        while self.process.poll() is None:
            if self._answers():
                return
            time.sleep(POLL)
        raise RuntimeError(f"ComfyUI did not start:\n{self.log.read_text()[-3000:]}")

    def _answers(self) -> bool:
        try:
            self.get("/system_stats")
        except urllib.error.URLError:
            return False
        return True

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=HOUR) as reply:
            return json.loads(reply.read() or b"null")

    def post(self, path: str, content: Any) -> Any:
        request = urllib.request.Request(self.address + path, json.dumps(content).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=HOUR) as reply:
            return json.loads(reply.read() or b"null")

    def view(self, file: dict[str, str]) -> bytes:
        """The bytes of a picture that a node wrote."""
        with urllib.request.urlopen(f"{self.address}/view?{urllib.parse.urlencode(file)}", timeout=HOUR) as reply:
            return bytes(reply.read())

    def add_input(self, path: Path) -> str:
        """A file for Load Image, and what it is called there."""
        shutil.copy(path, self.folder / "input" / path.name)
        return path.name

    def run(
        self,
        graph: Graph,
        on_progress: Callable[[int, int], None] | None = None,
        *,
        pnginfo: dict[str, Any] | None = None,
    ) -> Run:
        """Run a graph in the API's form to its end; `pnginfo` is what the front end gives for PNG files."""
        found = Run()
        with connect(f"ws{self.address[4:]}/ws?clientId={self._client}", max_size=None) as events:
            try:
                more = {} if pnginfo is None else {"extra_data": {"extra_pnginfo": pnginfo}}
                asked = {"prompt": graph, "client_id": self._client, **more}
                prompt = self.post("/prompt", asked)["prompt_id"]
            except urllib.error.HTTPError as error:
                return Run("rejected", error=error.read().decode())
            while not found.status:
                self._take(events, prompt, found, on_progress)
        return found

    def interrupt(self) -> None:
        self.post("/interrupt", {})

    def memory(self) -> int:
        """Of the server's process now, in bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _take(
        self, events: ClientConnection, prompt: str, found: Run, on_progress: Callable[[int, int], None] | None
    ) -> None:
        message = events.recv(timeout=HOUR)
        if isinstance(message, bytes):
            kind, length = (int.from_bytes(message[start : start + 4], "big") for start in (0, 4))
            found.previews += kind in PREVIEW_EVENTS
            if kind == TEXT_EVENT:
                found.remarks[message[8 : 8 + length].decode()] = message[8 + length :].decode()
            return
        event = json.loads(message)
        kind, data = event["type"], event.get("data", {})
        if data.get("prompt_id") != prompt:
            return
        if kind == "executing" and data["node"]:
            found.executed.append(data["node"])
        elif kind == "executed":
            found.outputs[data["node"]] = data["output"]
        elif kind == "progress":
            found.progress.append((data["node"], data["value"], data["max"]))
            if on_progress is not None:
                on_progress(data["value"], data["max"])
        elif kind in FINISHED:
            found.status, found.error = kind, data.get("exception_message", "")
