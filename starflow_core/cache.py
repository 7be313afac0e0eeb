"""The key-value cache of one block's attention layers, allocated once and handed in as an argument."""

from __future__ import annotations

import torch
from torch import Tensor


class KeyValueCache:
    """Keys (already rotated) and values of the tokens that a block has seen so far.

    Memory for `capacity` tokens is allocated at construction; `append` writes in place and `rollback` merely forgets.

    Attributes:
        length: tokens stored so far, the same for every layer once a forward pass has run through.
        capacity: tokens that there is room for.
    """

    def __init__(
        self, layers: int, batch: int, heads: int, capacity: int, head_dim: int, *, dtype: torch.dtype, device: torch.device
    ) -> None:
        self._keys = [torch.empty(batch, heads, capacity, head_dim, dtype=dtype, device=device) for _ in range(layers)]
        self._values = [torch.empty_like(keys) for keys in self._keys]
        self.capacity = capacity
        self.length = 0

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write N new tokens of a layer behind the stored ones; `advance` makes them stay.

        Args:
            layer: the layer's index in its block.
            keys: (B, heads, N, head_dim), rotated.
            values: (B, heads, N, head_dim).

        Returns:
            Keys and values of all tokens, (B, heads, length + N, head_dim), as views.
        """
        end = self.length + keys.shape[2]
        assert end <= self.capacity, f"{end} tokens in a cache for {self.capacity}"
        self._keys[layer][:, :, self.length : end] = keys
        self._values[layer][:, :, self.length : end] = values
        return self._keys[layer][:, :, :end], self._values[layer][:, :, :end]

    def advance(self, tokens: int) -> None:
        """Keep the `tokens` that every layer has just appended."""
        self.length += tokens

    def rollback(self, length: int) -> None:
        """Forget all tokens behind the first `length`."""
        assert 0 <= length <= self.length, f"rollback to {length} of {self.length} tokens"
        self.length = length

    def reset(self) -> None:
        self.rollback(0)
