"""Quantised tokens to bytes and back, by range coding with the flow's predictions."""

from __future__ import annotations

import constriction
import numpy as np

from ..errors import CodecError
from .coarse import SHIFT_SHARES, chosen_shift, coarse
from .normal import ESCAPE, REACH, nearest, probabilities

CATEGORICAL = constriction.stream.model.Categorical(perfect=False)
SHIFT = constriction.stream.model.Categorical(SHIFT_SHARES.astype(np.float32), perfect=False)
BYTE = constriction.stream.model.Uniform(256)
WORD = np.dtype("<u4")
LARGEST = 2**15  # of an index: an escaped one takes two bytes


class Encoder:
    """Writes tokens one after the other."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def token(self, indices: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> None:
        """Write the indices (D,) of a token under the flow's prediction of it, in steps of the quantiser."""
        shift = chosen_shift(mean, scale)
        levels, centres, _ = coarse(mean, scale, shift)
        symbols = indices - nearest(levels, centres) + REACH
        escaped = (symbols < 0) | (symbols >= ESCAPE)
        symbols[escaped] = ESCAPE
        self._coder.encode(np.array([shift], np.int32), SHIFT)
        self._coder.encode(symbols.astype(np.int32), CATEGORICAL, _coder_form(levels, centres))
        for index in indices[escaped]:
            self._coder.encode(np.array(divmod(int(index) + LARGEST, 256), np.int32), BYTE)

    def data(self) -> bytes:
        """All that was written."""
        return bytes(self._coder.get_compressed().astype(WORD).tobytes().rstrip(b"\0"))


class Decoder:
    """Reads tokens in the order in which they were written."""

    def __init__(self, data: bytes) -> None:
        words = np.frombuffer(data + bytes(-len(data) % WORD.itemsize), WORD).astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def token(self, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Read the indices (D,) of a token from the flow's prediction of it.

        Raises:
            CodecError: the bytes are none that an encoder writes.
        """
        try:
            shift = int(self._coder.decode(SHIFT, 1)[0])
            levels, centres, _ = coarse(mean, scale, shift)
            symbols = self._coder.decode(CATEGORICAL, _coder_form(levels, centres)).astype(np.int64)
            indices = symbols - REACH + nearest(levels, centres)
            for place in np.flatnonzero(symbols == ESCAPE):
                high, low = self._coder.decode(BYTE, 2)
                indices[place] = int(high) * 256 + int(low) - LARGEST
        except Exception as error:  # constriction has no narrower one for bytes that no encoder writes
            raise CodecError("The file is damaged: a tile cannot be decoded.") from error
        return np.asarray(indices)


def _coder_form(levels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(probabilities(levels, centres), dtype=np.float32)
