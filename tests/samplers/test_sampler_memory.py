from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from tiny import TINY, randn, random_flow
from torch import Tensor

import starflow_core.flow.block
import starflow_core.flow.predictor
from starflow_core.flow.block import Condition, FlowBlock
from starflow_core.flow.cache import KeyValueCache
from starflow_core.flow.starflow import StarFlow
from starflow_core.samplers import Jacobi, Progress, Sampler, Sequential

NOISE, TEXT, UNCONDITIONAL = randn(2, 2, 4, 4, seed=1), randn(2, 3, 5, seed=2), randn(1, 3, 5, seed=3)
SAMPLERS = [Sequential(), Jacobi(), Jacobi(block_size=4), Jacobi(drafts=False)]


@pytest.fixture(params=SAMPLERS, ids=str)
def sampler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Sampler:
    monkeypatch.setattr(starflow_core.flow.predictor, "bfloat16_is_faster", lambda device_type: True)
    monkeypatch.setattr(starflow_core.flow.predictor, "DRAFT_ROWS", 0)
    chosen: Sampler = request.param
    return chosen


@pytest.fixture
def caches(monkeypatch: pytest.MonkeyPatch) -> weakref.WeakSet[KeyValueCache]:
    """The caches that are alive."""
    alive: weakref.WeakSet[KeyValueCache] = weakref.WeakSet()

    class Watched(KeyValueCache):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            alive.add(self)

    monkeypatch.setattr(starflow_core.flow.block, "KeyValueCache", Watched)
    return alive


@pytest.fixture(scope="module")
def flow() -> StarFlow:
    return random_flow(TINY)


def start(flow: StarFlow, sampler: Sampler) -> Any:
    return flow.inverse_steps(NOISE, TEXT, guidance=2.0, unconditional=UNCONDITIONAL, sampler=sampler)


def test_closing_half_way_frees_the_caches(
    flow: StarFlow, sampler: Sampler, caches: weakref.WeakSet[KeyValueCache]
) -> None:
    steps = start(flow, sampler)
    for _ in range(3):
        next(steps)
    assert len(caches) >= 1
    steps.close()
    gc.collect()
    assert len(caches) == 0


def test_callback_that_raises_ends_sampling_and_frees_the_caches(
    flow: StarFlow, sampler: Sampler, caches: weakref.WeakSet[KeyValueCache]
) -> None:
    calls = 0

    def progress(step: Progress) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        flow.inverse(NOISE, TEXT, sampler=sampler, progress=progress)
    gc.collect()
    assert calls == 3
    assert len(caches) == 0
    assert not torch.is_inference_mode_enabled()


def test_nothing_is_left_after_the_last_step(
    flow: StarFlow, sampler: Sampler, caches: weakref.WeakSet[KeyValueCache]
) -> None:
    x = flow.inverse(NOISE, TEXT, sampler=sampler)
    gc.collect()
    assert len(caches) == 0
    assert not x.is_inference()


def test_no_more_than_one_block_is_in_memory(
    flow: StarFlow, sampler: Sampler, caches: weakref.WeakSet[KeyValueCache]
) -> None:
    for _ in start(flow, sampler):  # without a garbage collection: references alone must free a block's memory
        assert len(caches) <= 2 + 2  # those of a block and its draft, and of the one before until it is replaced


def test_step_kept_by_a_caller_keeps_no_cache(
    flow: StarFlow, sampler: Sampler, caches: weakref.WeakSet[KeyValueCache]
) -> None:
    kept = list(start(flow, sampler))
    gc.collect()
    assert len(caches) == 0
    assert kept[0].partial().shape == NOISE.shape


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often a cache was made, its memory allocated, and a text read."""
    seen = {"caches": 0, "texts": 0}
    new_cache, read_prefix = FlowBlock.new_cache, FlowBlock.read_prefix

    def counted_cache(self: FlowBlock, *args: Any, **kwargs: Any) -> KeyValueCache:
        seen["caches"] += 1
        return new_cache(self, *args, **kwargs)

    def counted_text(self: FlowBlock, condition: Condition, *args: Any) -> None:
        seen["texts"] += condition.prefix is not None
        read_prefix(self, condition, *args)

    monkeypatch.setattr(FlowBlock, "new_cache", counted_cache)
    monkeypatch.setattr(FlowBlock, "read_prefix", counted_text)
    return seen


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_cache_and_text_are_made_once_a_block(
    flow: StarFlow, sampler: Sampler, counts: dict[str, int], guidance: float
) -> None:
    flow.inverse(NOISE, TEXT, guidance=guidance, unconditional=UNCONDITIONAL, sampler=sampler)
    copies = 2 if isinstance(sampler, Jacobi) and sampler.drafts else 1  # a draft has a cache of its own
    assert counts == {"caches": copies * TINY.num_blocks, "texts": copies}


def test_memory_of_a_cache_is_never_replaced(flow: StarFlow, sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses: dict[tuple[int, int], set[int]] = {}
    made: list[KeyValueCache] = []
    append = KeyValueCache.append

    def watched(self: KeyValueCache, layer: int, keys_values: Tensor) -> tuple[Tensor, Tensor]:
        if self not in made:
            made.append(self)  # kept alive, so that no address is used twice
        keys, values = append(self, layer, keys_values)
        addresses.setdefault((made.index(self), layer), set()).add(keys.data_ptr())
        return keys, values

    monkeypatch.setattr(KeyValueCache, "append", watched)
    flow.inverse(NOISE, TEXT, guidance=2.0, unconditional=UNCONDITIONAL, sampler=sampler)
    assert len(made) >= TINY.num_blocks
    assert all(len(found) == 1 for found in addresses.values())
