"""Frames of a video: those that are given, the windows of a longer one, and the chunks that it is denoised in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

# The published windows repeat 16 of their 21 frames.
REPEATED, PUBLISHED_WINDOW = 16, 21


class Segment(NamedTuple):
    """Frames to sample together: those from `first` to `end`, after the known ones from `start` to `first`."""

    start: int
    first: int
    end: int


def segments(frames: int, known: int, window: int | None, context: int | None) -> Iterator[Segment]:
    """The segments of a video whose first `known` frames are given.

    Args:
        frames: T, of the video.
        known: frames that are given.
        window: the largest number of frames that see each other; None for all.
        context: frames of a window that the next one begins with, as if they were a video's first.
    """
    if window is None:
        yield Segment(0, known, frames)
        return
    repeated = checked_context(window, context)
    while known < frames:
        start = 0 if known < window else known - repeated
        end = min(frames, start + window)
        yield Segment(start, known, end)
        known = end


def checked_context(window: int, context: int | None) -> int:
    """Frames that windows share: `context`, or the published share of the window where None.

    Raises:
        ValueError: a window has fewer than two frames, or the context does not fit into it.
    """
    if window < 2:
        raise ValueError(f"window is {window}; it must be 2 frames or more, or None for the whole video.")
    if context is None:
        return max(1, window * REPEATED // PUBLISHED_WINDOW)
    if not 1 <= context < window:
        raise ValueError(f"context is {context}; it must be from 1 to {window - 1}, fewer than the window's {window}.")
    return context


def denoised_chunks(frames: int, window: int | None, lookback: int | None) -> Iterator[Segment]:
    """The chunks that a video is denoised in, one after the other and in place: each begins with frames that the
    chunks before it have denoised.

    Args:
        frames: T, of the video.
        window: frames a chunk; None for all.
        lookback: frames that the denoiser looks back; None for all.

    Raises:
        ValueError: a chunk has no new frames.
    """
    window = frames if window is None else window
    repeated = window - 1 if lookback is None else lookback
    if window < 1 or (frames > window and repeated >= window):
        raise ValueError(f"window is {window}; it must exceed the {repeated} frames that the denoiser looks back.")
    start = skipped = 0
    while start + skipped < frames:
        yield Segment(start, start + skipped, min(start + window, frames))
        skipped = repeated
        start += window - repeated


def checked_given(given: Tensor, z: Tensor) -> Tensor:
    """The given frames of a batch of videos z (B, T, C, H, W), (B, g, C, H, W).

    Raises:
        ValueError: they are no frames of these videos, or leave nothing to sample.
    """
    if z.ndim != 5:
        raise ValueError(f"given has frames of a video, but the noise is that of a picture, {tuple(z.shape)}.")
    B, T, *size = z.shape
    shape = tuple(given.shape)
    if given.ndim != 5 or shape[0] not in (1, B) or not shape[1] or shape[2:] != tuple(size):
        wanted = f"(1 or {B}, g, {', '.join(map(str, size))})"
        raise ValueError(f"given has shape {shape}; with noise {tuple(z.shape)} it must be {wanted}.")
    if shape[1] >= T:
        raise ValueError(f"given has {shape[1]} frames of a video of {T}; give at most {T - 1}, or draw a longer one.")
    return given.expand(B, *given.shape[1:])
