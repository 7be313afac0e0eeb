"""Samplers compared: `python -m benchmarks.sampling`.

Times are given in forward passes, that is, in the time of one `flow(x, condition)` in float32 on the batch, twice the
batch where sampling is guided, measured in the same process in turns with the sampler, so that they can be compared
between machines. Errors are relative L2 errors against the sequential sampler. Each row runs in a process of its own,
whose peak memory it gives.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from tqdm import tqdm

from starflow_core.samplers import Jacobi, Sampler, Sequential

from .memory import peak_memory
from .models import SUBJECTS, Subject
from .published_jacobi import PublishedJacobi

BATCHES = (1, 4)
LONG = 20.0  # seconds from which a time is taken once
REFERENCE = "sequential"
UNBOUNDED = 10**9  # iterations for which going token by token always costs less
SAMPLERS: dict[str, Callable[[Subject], Sampler]] = {
    REFERENCE: lambda subject: Sequential(),
    "jacobi, tolerance 0.01": lambda subject: Jacobi(tolerance=0.01, iterations=subject.iterations()),
    "jacobi, tolerance 0.001": lambda subject: Jacobi(tolerance=0.001, iterations=subject.iterations()),
    "jacobi, 0.01, without drafts": lambda subject: Jacobi(
        tolerance=0.01, drafts=False, iterations=subject.iterations()
    ),
    "jacobi, 0.01, on every block": lambda subject: Jacobi(tolerance=0.01),
    "jacobi, 0.01, first block token by token": lambda subject: Jacobi(
        tolerance=0.01, iterations=(*[1] * (len(subject.flow.blocks) - 1), UNBOUNDED)
    ),
    "published jacobi, chunk 16, 1e-3": lambda subject: PublishedJacobi(),
}


@dataclass(frozen=True)
class Row:
    """One sampler on one model and batch; times in seconds, memory in bytes."""

    model: str
    batch: int
    sampler: str
    pass_seconds: float
    seconds: float
    error: float
    peak_memory: int


def measure(model: str, batch: int, name: str, repeats: int, shared: Path) -> Row:
    """Time a sampler in turns with the forward pass; medians of `repeats`, or a single time where it is long.

    The folder `shared` keeps the sequential result for the next rows of the same model and batch.
    """
    subject = SUBJECTS[model](batch)
    sampler = SAMPLERS[name](subject)
    _forward_pass(subject)
    passes = [_seconds(lambda: _forward_pass(subject)) for _ in range(3)]
    start = time.perf_counter()
    x = _sample(subject, sampler)
    first = time.perf_counter() - start
    samples = [first] if first > LONG else []
    while len(samples) < repeats and first <= LONG:
        passes += [_seconds(lambda: _forward_pass(subject)) for _ in range(3)]
        samples.append(_seconds(lambda: _sample(subject, sampler)))
    peak = peak_memory()
    file = shared / f"{model}-{batch}.pt"
    if not file.exists():
        torch.save(x if name == REFERENCE else _sample(subject, Sequential()), file)
    reference = torch.load(file, weights_only=True)
    error = float((x - reference).norm() / reference.norm())
    return Row(model, batch, name, statistics.median(passes), statistics.median(samples), error, peak)


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| model | batch | sampler | passes | speed-up | error | one pass | peak memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.model} | {row.batch} | {row.sampler} | {row.seconds / row.pass_seconds:.1f} "
        f"| {_speed_up(row, rows):.1f}× | {row.error:.2%} "
        f"| {row.pass_seconds * 1000:.0f} ms | {row.peak_memory / 2**20:.0f} MiB |"
        for row in rows
    ]
    return "\n".join(lines)


def _speed_up(row: Row, rows: list[Row]) -> float:
    """Over the sequential sampler, in forward passes; NaN where that was not measured."""
    same = [r for r in rows if (r.model, r.batch, r.sampler) == (row.model, row.batch, REFERENCE)]
    return same[0].seconds / same[0].pass_seconds / (row.seconds / row.pass_seconds) if same else math.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--row", nargs=4, metavar=("MODEL", "BATCH", "SAMPLER", "SHARED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        model, batch, sampler, shared = options.row
        print(json.dumps(vars(measure(model, int(batch), sampler, options.repeats, Path(shared)))))
        return
    cases = [(m, b, s) for m in options.models for b in options.batches for s in options.samplers]
    with TemporaryDirectory() as folder:
        rows = [_in_own_process(m, b, s, options.repeats, folder) for m, b, s in tqdm(cases, disable=None)]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, float32\n")
    print(table(rows))


def _in_own_process(model: str, batch: int, sampler: str, repeats: int, shared: str) -> Row:
    command = [
        sys.executable,
        "-m",
        "benchmarks.sampling",
        "--repeats",
        str(repeats),
        "--row",
        model,
        str(batch),
        sampler,
        shared,
    ]
    return Row(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


@torch.no_grad()
def _forward_pass(subject: Subject) -> None:
    noise, condition = subject.noise, subject.condition
    if subject.guidance and condition is not None and subject.unconditional is not None:
        noise, condition = noise.repeat(2, 1, 1, 1), torch.cat([condition, subject.unconditional])
    subject.flow(noise, condition)


def _sample(subject: Subject, sampler: Sampler) -> Tensor:
    return subject.flow.inverse(
        subject.noise,
        subject.condition,
        guidance=subject.guidance,
        unconditional=subject.unconditional,
        sampler=sampler,
    )


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
