from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from starflow_core.flow import precision
from starflow_core.flow.precision import bfloat16_is_faster


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """No answer remembered, before and after."""
    bfloat16_is_faster.cache_clear()
    yield
    bfloat16_is_faster.cache_clear()


def timed(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> list[torch.dtype]:
    """Make the timings take so long; the list grows by the dtype of every product timed."""
    products: list[torch.dtype] = []
    remaining = iter(seconds)

    def fake(call: Callable[[], torch.Tensor]) -> float:
        products.append(call().dtype)
        return next(remaining)

    monkeypatch.setattr(precision, "_seconds", fake)
    return products


@pytest.mark.parametrize(("bfloat16_seconds", "faster"), [(0.1, True), (0.6, True), (0.7, False), (1.0, False)])
def test_bfloat16_must_be_clearly_faster(
    bfloat16_seconds: float, faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    products = timed(monkeypatch, 1.0, bfloat16_seconds)
    assert bfloat16_is_faster("cpu") is faster
    assert products == [torch.float32, torch.bfloat16]


def test_each_kind_of_device_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    products = timed(monkeypatch, 1.0, 0.1)
    assert bfloat16_is_faster("cpu") == bfloat16_is_faster("cpu")
    assert len(products) == 2


@pytest.mark.parametrize("device_type", ["mps", "xpu", "meta"])
def test_devices_that_are_not_known_are_not_timed(device_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert timed(monkeypatch) == []
    assert not bfloat16_is_faster(device_type)


@pytest.mark.parametrize("supported", [False, True])
def test_cuda_says_it_itself(supported: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    assert bfloat16_is_faster("cuda") is supported


def test_real_timing_takes_a_moment_and_gives_a_switch() -> None:
    assert bfloat16_is_faster("cpu") in (True, False)
    assert precision._seconds(lambda: None) >= 0
