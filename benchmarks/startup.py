"""How long a command takes, against importing torch, which is the least that it can take.

    python -m benchmarks.startup [--runs 9] [COMMAND …]

The two alternate, so that other work on the machine slows both alike. The least of the runs says most: what is above is
other work, or files that were not in memory yet.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ("generate", "heart")
BASELINE = ("-c", "import torch")


class Run(NamedTuple):
    """Seconds of one process: by the clock, and of the processor."""

    wall: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how long a command of starflow takes.")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("command", nargs="*", default=list(DEFAULT), help="of starflow, after --")
    options = parser.parse_args()
    command = ("-m", "starflow_core.cli", *options.command)
    with tempfile.TemporaryDirectory() as folder:
        for arguments in (BASELINE, command):
            timed(arguments, folder)  # files come into memory, and modules are compiled
        pairs = [(timed(BASELINE, folder), timed(command, folder)) for _ in range(options.runs)]
    baselines, commands = zip(*pairs, strict=True)
    print(f"{options.runs} runs of each, seconds: least and median by the clock, least of the processor")
    print(row("import torch", baselines))
    print(row(f"starflow {' '.join(options.command)}", commands))
    ratios = (f"{least(commands, kind) / least(baselines, kind):.2f}" for kind in ("wall", "cpu"))
    print("the command takes {} times as long as importing torch, and {} times the processor".format(*ratios))


def timed(arguments: tuple[str, ...], folder: str) -> Run:
    """Run Python once, in a folder."""
    before, begun = os.times(), time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(wall, cpu)


def row(name: str, runs: tuple[Run, ...]) -> str:
    return f"{name:<40} {least(runs, 'wall'):6.2f} {median(run.wall for run in runs):6.2f} {least(runs, 'cpu'):6.2f}"


def least(runs: tuple[Run, ...], kind: str) -> float:
    return min(float(getattr(run, kind)) for run in runs)


if __name__ == "__main__":
    main()
