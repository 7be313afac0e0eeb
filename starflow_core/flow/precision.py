"""Which precision is fast on this processor, by its own flags.

Nothing is timed: timings vary on a busy machine, and the result of a seed would vary with them.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import torch

CPU_INFO = Path("/proc/cpuinfo")
# Instructions of x86 processors that multiply matrices in bfloat16. Without them, float32 is faster in torch.
BFLOAT16 = {"amx_bf16", "avx512_bf16"}
AMPERE = (8, 0)  # compute capability of the first NVIDIA cards with such instructions


@cache
def bfloat16_is_faster(device_type: str) -> bool:
    """Whether matrix products in bfloat16 are clearly faster than in float32; False where unknown."""
    if device_type == "cuda":  # older cards emulate bfloat16, slowly
        return torch.cuda.get_device_capability() >= AMPERE
    return device_type == "cpu" and bool(BFLOAT16 & _cpu_flags())


def _cpu_flags() -> set[str]:
    """The processor's flags, as Linux lists them; empty elsewhere."""
    if not sys.platform.startswith("linux"):
        return set()
    try:
        lines = CPU_INFO.read_text(errors="replace").splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split()}
