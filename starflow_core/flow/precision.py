"""Which precision is fast here, told by what the processor says of itself.

Nothing is timed: a timing comes out differently on a busy machine, and with it would what a seed draws.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import torch

CPU_INFO = Path("/proc/cpuinfo")
# Instructions of x86 processors that multiply matrices in bfloat16. Without them, torch does it slower than in float32.
BFLOAT16 = {"amx_bf16", "avx512_bf16"}


@cache
def bfloat16_is_faster(device_type: str) -> bool:
    """Whether matrix products in bfloat16 are clearly faster than in float32; False where nothing is known of it."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device_type == "cpu" and bool(BFLOAT16 & _cpu_flags())


def _cpu_flags() -> set[str]:
    """What Linux lists of the processor's instructions; nothing elsewhere."""
    if not sys.platform.startswith("linux"):
        return set()
    try:
        lines = CPU_INFO.read_text(errors="replace").splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split()}
