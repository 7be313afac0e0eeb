"""What tests that start a server share."""

from __future__ import annotations

import socket
import subprocess


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server, by force where asking does not help."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
