"""Which precision is fast here, found out by trying."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import torch

WORTHWHILE = 1.6


@cache
def bfloat16_is_faster(device_type: str) -> bool:
    """Whether matrix products in bfloat16 are clearly faster than in float32, timed once for each kind of device.

    Many processors lack bfloat16 instructions, and on those it is slower; no portable call tells them apart.
    """
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device_type != "cpu":
        return False
    a = torch.ones(256, 512)
    b = torch.ones(512, 512)
    float32 = _seconds(lambda: a @ b.T)
    a, b = a.bfloat16(), b.bfloat16()
    return float32 > WORTHWHILE * _seconds(lambda: a @ b.T)


def _seconds(call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)
