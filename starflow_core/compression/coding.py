"""Tiles to bytes and back, by range coding (Martin 1979) with the flow's predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import constriction
import numpy as np

from .context import BEFORE, OUTSIDE, RADIUS, RIGHT, anchors, contexts, framed, inputs
from .errors import CodecError
from .mixture import BLUE, GREEN, HALF, RED, Mixture
from .network import Network
from .waves import sites

CHUNK = 512  # pixels that an encoder predicts at once: so few stay in the processor's cache
FAMILY = constriction.stream.model.Categorical(perfect=False)
WORD = np.dtype("<u4")
Tick = Callable[[int], None]


def channels_of(is_grey: bool) -> tuple[int, ...]:
    """The channels that are coded, in order; the others of a grey tile are equal to its green."""
    return (GREEN,) if is_grey else (GREEN, RED, BLUE)


def encode(tile: np.ndarray, network: Network, is_grey: bool, tick: Tick = lambda pixels: None) -> bytes:
    """Compress a tile (H, W, 3) uint8; `tick` hears how many pixels are done."""
    encoder = constriction.stream.queue.RangeEncoder()
    places = sites([(tile.shape[0], tile.shape[1])])
    frame = framed(tile[None])
    for first, last in _chunks(places.starts):
        span = slice(int(places.starts[first]), int(places.starts[last]))
        row, column = places.row[span], places.column[span]
        coded = list(_coded(network, contexts(frame, places.tile[span], row, column), tile[row, column], is_grey))
        for wave in range(first, last):
            here = slice(int(places.starts[wave] - span.start), int(places.starts[wave + 1] - span.start))
            for symbols, probabilities in coded:
                encoder.encode(symbols[here], FAMILY, probabilities[here])
        tick(span.stop - span.start)
    words = encoder.get_compressed().astype(WORD)
    return words.tobytes().rstrip(b"\0")


def bits(tile: np.ndarray, network: Network, is_grey: bool) -> float:
    """−log₂ of the probability that the flow gives a tile (H, W, 3) uint8: what an ideal coder needs."""
    places = sites([(tile.shape[0], tile.shape[1])])
    frame, total = framed(tile[None]), 0.0
    for start in range(0, len(places.row), CHUNK):
        row, column = places.row[start : start + CHUNK], places.column[start : start + CHUNK]
        context = contexts(frame, np.zeros_like(row), row, column)
        for symbols, probabilities in _coded(network, context, tile[row, column], is_grey):
            taken = np.take_along_axis(probabilities, symbols[:, None], axis=1)[:, 0].astype(np.float64)
            total -= float(np.log2(taken / probabilities.sum(axis=1, dtype=np.float64)).sum())
    return total


def _chunks(starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of waves of at least `CHUNK` pixels, the last aside."""
    first = 0
    while first < len(starts) - 1:
        last = int(np.searchsorted(starts, starts[first] + CHUNK))
        last = min(max(last, first + 1), len(starts) - 1)
        yield first, last
        first = last


def _coded(
    network: Network, context: np.ndarray, pixels: np.ndarray, is_grey: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both halves of every channel's bytes, with their probabilities, in the order of coding."""
    mixture = Mixture(network(inputs(context)), anchors(context), network.tables)
    for channel in channels_of(is_grey):
        value = pixels[:, channel].astype(np.int64)
        yield (value // HALF).astype(np.int32), _coder_form(mixture.high(channel))
        yield (value % HALF).astype(np.int32), _coder_form(mixture.low(channel, value // HALF))
        mixture.observe(channel, value)


def _coder_form(probabilities: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(probabilities, dtype=np.float32)


def decode(
    parts: Sequence[bytes], sizes: Sequence[tuple[int, int]], network: Network, is_grey: bool, tick: Tick
) -> list[np.ndarray]:
    """Decompress tiles of (height, width) side by side; `tick` hears how many pixels are done.

    Raises:
        CodecError: the bytes are no tiles of these sizes.
    """
    decoders = [constriction.stream.queue.RangeDecoder(_words(part)) for part in parts]
    height, width = (max(side) for side in zip(*sizes, strict=True))
    frame = np.full((len(parts), height + RADIUS, BEFORE + width + RIGHT, 3), OUTSIDE, np.uint8)
    places = sites(sizes)
    for number in range(places.waves):
        wave = places.wave(number)
        tile, row, column = places.tile[wave], places.row[wave], places.column[wave]
        context = contexts(frame, tile, row, column)
        mixture = Mixture(network(inputs(context)), anchors(context), network.tables)
        ends = np.searchsorted(tile, np.arange(len(parts) + 1))
        pixels = _decoded(decoders, ends, mixture, is_grey)
        frame[tile, row + RADIUS, column + BEFORE] = pixels
        tick(len(tile))
    return [
        frame[i, RADIUS : RADIUS + h, BEFORE : BEFORE + w].copy() for i, (h, w) in enumerate(sizes)
    ]  # fmt: skip


def _decoded(decoders: Sequence, ends: np.ndarray, mixture: Mixture, is_grey: bool) -> np.ndarray:
    """The pixels (P, 3) of a wave."""
    channels = channels_of(is_grey)
    pixels = np.empty((ends[-1], 3), np.int64)
    for channel in channels:
        high = _symbols(decoders, ends, mixture.high(channel))
        pixels[:, channel] = high * HALF + _symbols(decoders, ends, mixture.low(channel, high))
        if channel != channels[-1]:
            mixture.observe(channel, pixels[:, channel])
    return np.repeat(pixels[:, GREEN, None], 3, axis=1) if is_grey else pixels


def _symbols(decoders: Sequence, ends: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Decode a symbol for every pixel of a wave, each tile's from its own bytes."""
    probabilities = _coder_form(probabilities)
    symbols = np.empty(len(probabilities), np.int64)
    for decoder, start, end in zip(decoders, ends[:-1], ends[1:], strict=True):
        if end > start:
            try:
                symbols[start:end] = decoder.decode(FAMILY, probabilities[start:end])
            except Exception as error:  # constriction has no narrower one for bytes that no encoder writes
                raise CodecError("The file is damaged: a tile cannot be decoded.") from error
    return symbols


def _words(part: bytes) -> np.ndarray:
    """Bytes as the coder's words; the encoder leaves out zeros at the end."""
    return np.frombuffer(part + bytes(-len(part) % WORD.itemsize), WORD).astype(np.uint32)
