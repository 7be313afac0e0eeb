"""The key-value cache of one block's attention layers, allocated once and passed as an argument."""

from __future__ import annotations

import torch
from torch import Tensor


class KeyValueCache:
    """Keys (already rotated) and values of the tokens that a block has seen so far.

    Memory for `capacity` tokens is allocated at construction; `append` writes in place; `rollback` lowers the length.

    Attributes:
        length: stored tokens, the same for every layer after a forward pass.
        capacity: the largest number of tokens.
    """

    def __init__(
        self,
        layers: int,
        batch: int,
        heads: int,
        capacity: int,
        head_dim: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        shape = (batch, 2, heads, capacity, head_dim)  # keys and values in one tensor: one copy an append
        self._layers = [torch.empty(shape, dtype=dtype, device=device) for _ in range(layers)]
        self.capacity = capacity
        self.length = 0

    def append(self, layer: int, keys_values: Tensor) -> tuple[Tensor, Tensor]:
        """Write N new tokens of a layer after the stored ones; `advance` keeps them.

        Args:
            layer: the layer's index in its block.
            keys_values: (B, 2, heads, N, head_dim), the keys rotated.

        Returns:
            Keys and values of all tokens, (B, heads, length + N, head_dim) each, as views.
        """
        end = self.length + keys_values.shape[3]
        assert end <= self.capacity, f"{end} tokens in a cache for {self.capacity}"
        stored = self._layers[layer]
        stored[:, :, :, self.length : end] = keys_values
        keys, values = stored[:, :, :, :end].unbind(1)
        return keys, values

    def advance(self, tokens: int) -> None:
        """Keep the `tokens` that every layer has just appended."""
        self.length += tokens

    def rollback(self, length: int) -> None:
        """Discard all tokens after the first `length`."""
        assert 0 <= length <= self.length, f"rollback to {length} of {self.length} tokens"
        self.length = length

    def reset(self) -> None:
        self.rollback(0)
