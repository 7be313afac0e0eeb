"""What all parts of the command `starflow` share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

DTYPES = ("float32", "bfloat16", "float16")


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], purpose: str
) -> argparse.ArgumentParser:
    """A command of `starflow`."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=f"{purpose.capitalize()}.")
    command.set_defaults(run=run)
    return command
