from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from starflow_core.flow import precision
from starflow_core.flow.precision import bfloat16_is_faster

AMX = "processor\t: 0\nflags\t\t: fpu sse avx512f amx_bf16 amx_tile\nbugs\t\t: spectre_v1\n"


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """No answer remembered, before and after."""
    bfloat16_is_faster.cache_clear()
    yield
    bfloat16_is_faster.cache_clear()


def told(monkeypatch: pytest.MonkeyPatch, path: Path, text: str, platform: str = "linux") -> bool:
    """What is chosen on a CPU of which the system says this."""
    path.write_text(text)
    monkeypatch.setattr(precision, "CPU_INFO", path)
    monkeypatch.setattr(sys, "platform", platform)
    return bfloat16_is_faster("cpu")


@pytest.mark.parametrize(
    ("text", "faster"),
    [
        (AMX, True),
        (AMX.replace("amx_bf16", "avx512_bf16"), True),
        (AMX.replace("amx_bf16", "avx512_fp16"), False),
        (AMX.replace("flags", "vmx flags").replace("bugs", "amx_bf16"), False),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", False),
        ("", False),
    ],
)
def test_processor_says_it_itself(text: str, faster: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert told(monkeypatch, tmp_path / "cpuinfo", text) is faster


def test_other_systems_are_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not told(monkeypatch, tmp_path / "cpuinfo", AMX, platform="win32")


def test_system_that_says_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "none")
    assert not bfloat16_is_faster("cpu")


def test_choice_knows_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy for a moment, a seed must draw what it always draws."""

    def ask() -> float:
        raise AssertionError("a clock was read")

    for clock in ("perf_counter", "monotonic", "time", "process_time"):
        monkeypatch.setattr(time, clock, ask)
    assert bfloat16_is_faster("cpu") in (True, False)


@pytest.mark.parametrize("device_type", ["mps", "xpu", "meta"])
def test_devices_that_are_not_known_are_no_faster(device_type: str) -> None:
    assert not bfloat16_is_faster(device_type)


@pytest.mark.parametrize(
    ("capability", "is_faster"), [((7, 5), False), ((8, 0), True), ((8, 9), True), ((12, 0), True)]
)
def test_cards_before_ampere_are_slow_at_bfloat16(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], is_faster: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert bfloat16_is_faster("cuda") is is_faster
