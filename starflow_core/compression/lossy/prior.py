"""The flow's last block as the model that quantised tokens are coded with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ...flow.block import Affine
from ...flow.predictor import Predictor
from ...flow.starflow import StarFlow
from ..errors import CodecError
from .coding import Decoder, Encoder


class Prior:
    """Codes tokens with what the last block predicts of each from those before it.

    Attributes:
        grid: rows and columns of a tile's tokens.

    Args:
        flow: whose last block is taken.
        condition: features (1, L, width) of the empty prompt, or None.
        grid: rows and columns of a tile's tokens.
    """

    def __init__(self, flow: StarFlow, condition: Tensor | None, grid: tuple[int, int]) -> None:
        self._flow, self._block, self._condition, self.grid = flow, flow.blocks[-1], condition, grid

    def bits(self, tokens: Tensor, step: float) -> Tensor:
        """−log₂ of the probability of each tile: quantised tokens (N, T, D) in raster order → (N,), with gradients."""
        tokens = self._block.reorder(tokens)
        given = self._given(len(tokens))
        rotary = self._flow.rotary(self._block, self.grid, given)
        mean, scale = self._block.affine(tokens, given, rotary, torch.float32)
        upper = torch.special.ndtr((tokens + step / 2 - mean) / scale)
        lower = torch.special.ndtr((tokens - step / 2 - mean) / scale)
        return -(upper - lower).clamp(min=1e-6).log2().sum((1, 2))

    def encoded(self, indices: Tensor, step: float, encoder: Encoder) -> Iterator[int]:
        """Write the indices (N, T, D) of tokens in raster order; yields at every token how many are done.

        It predicts token by token, as the decoder does: what is computed at once may differ in more bits.
        """
        ordered = self._block.reorder(indices)
        predictor = self._predictor(len(indices))
        context = self._start(len(indices))
        for t in range(indices.shape[1]):
            affine = predictor.predict(context)
            for tile, (mean, scale) in enumerate(_in_steps(affine, step)):
                encoder.token(ordered[tile, t].numpy(), mean, scale)
            context = ordered[:, t : t + 1].to(self._flow.device, torch.float32) * step
            yield t + 1

    def decoded(self, count: int, step: float, decoder: Decoder, indices: Tensor) -> Iterator[int]:
        """Read the tokens of tiles into `indices` (N, T, D), in raster order at the end; yields as `encoded` does.

        Raises:
            CodecError: the bytes are none that an encoder writes.
        """
        predictor = self._predictor(count)
        context = self._start(count)
        for t in range(indices.shape[1]):
            affine = predictor.predict(context)
            read = [decoder.token(mean, scale) for mean, scale in _in_steps(affine, step)]
            indices[:, t] = torch.from_numpy(np.stack(read))
            context = indices[:, t : t + 1].to(self._flow.device, torch.float32) * step
            yield t + 1
        indices.copy_(self._block.reorder(indices).clone())

    def _given(self, batch: int) -> Tensor | None:
        return None if self._condition is None else self._condition.expand(batch, -1, -1)

    def _predictor(self, batch: int) -> Predictor:
        given = self._given(batch)
        rotary = self._flow.rotary(self._block, self.grid, given)
        tokens = self.grid[0] * self.grid[1]
        device = self._flow.device
        return Predictor(self._block, rotary, given, None, None, batch, tokens, device=device, dtype=torch.float32)

    def _start(self, batch: int) -> Tensor:
        """The context of the first token, the start token."""
        D = self._block.shape.token_dim
        return self._block.with_start(torch.zeros(batch, 0, D, device=self._flow.device))


def _in_steps(affine: Affine, step: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The predictions of one token of each tile, mean and scale (D,), in steps of the quantiser.

    Raises:
        CodecError: a prediction is no number.
    """
    mean, scale = (part[:, 0].double().cpu().numpy() / step for part in affine)
    if not (np.isfinite(mean).all() and np.isfinite(scale).all()):
        raise CodecError("The flow's predictions are not finite; the file is damaged, or the model is.")
    yield from zip(mean, scale, strict=True)
