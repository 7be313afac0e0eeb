"""The demo in a process of its own, which notes whatever it reaches outside this machine."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from server_process import free_port, stop

ROOT = Path(__file__).parent.parent
OUTSIDE = "STARFLOW_TEST_OUTSIDE"  # names the file that notes what was reached
STARTED = 600  # seconds to start in, on however busy a machine


class Demo:
    """A server; use it as a context.

    Args:
        folder: for its log and what it writes; must be empty, or not be there yet.
        root: the checkout that it runs from.
        program: a file or module of it, and arguments.
        environment: of its process, beside that of this one.
    """

    def __init__(
        self,
        folder: Path,
        root: Path = ROOT,
        program: Sequence[str] = ("app.py",),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder, self.root, self.program = folder, root, program
        self.log, self.outside = folder / "server.log", folder / "outside.txt"
        files = {"GRADIO_TEMP_DIR": str(folder / "files"), "TMPDIR": str(folder)}
        self.environment = os.environ | files | {OUTSIDE: str(self.outside)} | (environment or {})

    def __enter__(self) -> Demo:
        self.folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        command = [sys.executable, __file__, *self.program, "--port", str(port)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=self.root, stdout=log, stderr=subprocess.STDOUT, env=self.environment
            )
        end = time.monotonic() + STARTED
        while time.monotonic() < end and self.process.poll() is None:
            if self.status("/") == 200:
                return self
            time.sleep(0.1)
        raise RuntimeError(f"The demo did not start:\n{self.log.read_text()[-3000:]}")

    def __exit__(self, *error: object) -> None:
        stop(self.process)

    def status(self, path: str) -> int:
        """What the server answers to a request, as its HTTP status; 0 where it does not."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def reached_outside(self) -> list[str]:
        """Names and addresses of other machines that the server asked for."""
        return self.outside.read_text().splitlines() if self.outside.exists() else []

    def computed(self) -> float:
        """Seconds that the process has computed so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """That the process holds, in bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def peak_memory(self) -> int:
        """The most that the process has ever held, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def uploads(self) -> list[Path]:
        """Files that visitors have sent, and that are there still."""
        folders = self.folder.glob("files/starflow-demo-*/files/uploads")
        # Unlike Path.glob, os.walk passes over folders that go while it looks.
        return [Path(at, name) for folder in folders for at, _, names in os.walk(folder) for name in names]


def note_outside(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host not in (None, "127.0.0.1", "::1", "localhost", "0.0.0.0"):
        with open(os.environ[OUTSIDE], "a") as file:
            file.write(f"{event} {host}\n")


def main() -> None:
    sys.addaudithook(note_outside)
    sys.path[0] = os.getcwd()  # as `python PROGRAM` has it
    del sys.argv[0]
    if sys.argv[0].endswith(".py"):
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
