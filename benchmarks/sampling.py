"""Samplers compared: `python -m benchmarks.sampling`.

Times are given in guided forward passes, that is, in the time of one `flow(x, text)` in float32 on twice the batch,
measured in the same process in turns with the sampler, so that they can be compared between machines. Errors are
relative L2 errors against the sequential sampler. Each row runs in a process of its own, whose peak memory it gives.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from starflow_core.samplers import Jacobi, Sampler, Sequential

from .models import SUBJECTS, Subject
from .published_jacobi import PublishedJacobi

GUIDANCE = 3.0
BATCHES = (1, 4)
SAMPLERS: dict[str, Callable[[Subject], Sampler]] = {
    "sequential": lambda subject: Sequential(),
    "jacobi, tolerance 0.01": lambda subject: Jacobi(tolerance=0.01, iterations=subject.iterations),
    "jacobi, tolerance 0.001": lambda subject: Jacobi(tolerance=0.001, iterations=subject.iterations),
    "jacobi, 0.01, without drafts": lambda subject: Jacobi(tolerance=0.01, drafts=False, iterations=subject.iterations),
    "jacobi, 0.01, on every block": lambda subject: Jacobi(tolerance=0.01),
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


def measure(model: str, batch: int, name: str, repeats: int) -> Row:
    """Time a sampler in turns with the guided forward pass; medians of `repeats`."""
    subject = SUBJECTS[model](batch)
    sampler = SAMPLERS[name](subject)
    passes, samples = [], []
    _guided_pass(subject)
    x = _sample(subject, sampler)
    for _ in range(repeats):
        passes += [_seconds(lambda: _guided_pass(subject)) for _ in range(3)]
        samples.append(_seconds(lambda: _sample(subject, sampler)))
    peak = _peak_memory()
    reference = _sample(subject, Sequential())
    error = float((x - reference).norm() / reference.norm())
    return Row(model, batch, name, statistics.median(passes), statistics.median(samples), error, peak)


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| model | batch | sampler | passes | error | one pass | peak memory |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.model} | {row.batch} | {row.sampler} | {row.seconds / row.pass_seconds:.1f} | {row.error:.2%} "
        f"| {row.pass_seconds * 1000:.0f} ms | {row.peak_memory / 2**20:.0f} MiB |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--row", nargs=3, metavar=("MODEL", "BATCH", "SAMPLER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        model, batch, sampler = options.row
        print(json.dumps(vars(measure(model, int(batch), sampler, options.repeats))))
        return
    cases = [(m, b, s) for m in options.models for b in options.batches for s in SAMPLERS]
    rows = [_in_own_process(m, b, s, options.repeats) for m, b, s in tqdm(cases, disable=None)]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, guidance {GUIDANCE:g}, float32\n")
    print(table(rows))


def _in_own_process(model: str, batch: int, sampler: str, repeats: int) -> Row:
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
    ]
    return Row(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


@torch.no_grad()
def _guided_pass(subject: Subject) -> None:
    subject.flow(subject.noise.repeat(2, 1, 1, 1), torch.cat([subject.text, subject.unconditional]))


def _sample(subject: Subject, sampler: Sampler) -> Tensor:
    return subject.flow.inverse(
        subject.noise, subject.text, guidance=GUIDANCE, unconditional=subject.unconditional, sampler=sampler
    )


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _peak_memory() -> int:
    """Of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
