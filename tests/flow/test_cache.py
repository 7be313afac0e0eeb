from __future__ import annotations

import pytest
import torch
from tiny import randn
from torch import Tensor

from starflow_core.flow.cache import KeyValueCache


def new_cache(capacity: int = 6) -> KeyValueCache:
    return KeyValueCache(2, 1, 3, capacity, 4, dtype=torch.float32, device=torch.device("cpu"))


def entries(tokens: int, seed: int = 0) -> Tensor:
    return randn(1, 2, 3, tokens, 4, seed=seed)


def stored(cache: KeyValueCache, layer: int, new: Tensor) -> Tensor:
    """What the cache holds once it has been given new tokens, as it is laid out there."""
    return torch.stack(cache.append(layer, new), dim=1)


def test_append_returns_all_tokens_so_far() -> None:
    cache = new_cache()
    first, second = entries(2), entries(3, seed=1)
    assert torch.equal(stored(cache, 0, first), first)
    cache.advance(2)
    keys, values = cache.append(0, second)
    assert torch.equal(keys, torch.cat([first[:, 0], second[:, 0]], dim=2))
    assert torch.equal(values, torch.cat([first[:, 1], second[:, 1]], dim=2))


def test_tokens_stay_only_after_advance() -> None:
    cache = new_cache()
    cache.append(0, entries(2))
    assert cache.length == 0
    later = entries(1, seed=1)
    assert torch.equal(stored(cache, 0, later), later)


def test_layers_are_stored_apart() -> None:
    cache = new_cache()
    first, last = entries(2), entries(1, seed=2)
    cache.append(0, first)
    cache.append(1, entries(2, seed=1))
    cache.advance(2)
    assert torch.equal(stored(cache, 0, last), torch.cat([first, last], dim=3))


def test_rollback_forgets_the_last_tokens() -> None:
    cache = new_cache()
    first, wrong, right = entries(2), entries(3, seed=1), entries(1, seed=2)
    cache.append(0, first)
    cache.advance(2)
    cache.append(0, wrong)
    cache.advance(3)
    cache.rollback(2)
    assert cache.length == 2
    assert torch.equal(stored(cache, 0, right), torch.cat([first, right], dim=3))


def test_reset_forgets_all() -> None:
    cache = new_cache()
    cache.append(0, entries(2))
    cache.advance(2)
    cache.reset()
    assert cache.length == 0
    again = entries(6, seed=1)
    assert torch.equal(stored(cache, 0, again), again)


def test_memory_is_allocated_once() -> None:
    cache = new_cache()
    before, _ = cache.append(0, entries(2))
    cache.advance(2)
    after, _ = cache.append(0, entries(4, seed=1))
    assert after.data_ptr() == before.data_ptr()


def test_no_more_tokens_than_the_capacity() -> None:
    cache = new_cache(capacity=3)
    cache.append(0, entries(2))
    cache.advance(2)
    with pytest.raises(AssertionError, match="4 tokens in a cache for 3"):
        cache.append(0, entries(2))


@pytest.mark.parametrize("length", [-1, 3])
def test_rollback_goes_back_only(length: int) -> None:
    cache = new_cache()
    cache.append(0, entries(2))
    cache.advance(2)
    with pytest.raises(AssertionError, match=f"rollback to {length} of 2 tokens"):
        cache.rollback(length)
