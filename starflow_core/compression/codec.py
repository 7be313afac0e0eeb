"""Pictures to files as small as the flow finds them likely, and back, bit by bit."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..progress import OnProgress
from . import network as networks
from .coding import Tick, decode, encode
from .container import Archive, Storage, Tile, checksum, from_bytes, grid, to_bytes
from .envelope import MODES
from .errors import CodecError
from .one_thread import one_thread

SIDE = 256  # of a tile, in pixels
AT_ONCE = 16  # tiles that are decoded side by side
WEBP: dict[str, Any] = {"format": "WEBP", "lossless": True, "exact": True, "quality": 100, "method": 6}
CONVERTED = {"1": "L", "P": "RGB", "PA": "RGBA"}


class Codec:
    """Compresses pictures without loss, with a flow of one autoregressive block.

    The flow maps each value of a pixel to its cumulative probability given the pixels before it. A range coder stores a
    value in −log₂ of its probability, so that a file is as small as the flow's bits per dimension say. The network
    computes in whole numbers: every machine predicts the same.

    Args:
        weights: file of the network; the embedded one by default.

    Raises:
        CodecError: the file is no network.
    """

    def __init__(self, weights: Path = networks.WEIGHTS) -> None:
        self.network = networks.load(weights)

    @one_thread()
    def compress(self, picture: Image.Image, *, on_progress: OnProgress = lambda done, total: None) -> bytes:
        """Compress an 8-bit picture.

        A tile is stored as lossless WebP where that is smaller, or where it would not come back. The result is decoded
        and compared before it is returned.

        Args:
            picture: of any size. Palettes become RGB or RGBA; alpha is kept, and so are colours beneath it.
            on_progress: told the pixels done.

        Raises:
            CodecError: the picture has more than 8 bits a channel or no pixels.
        """
        picture = as_stored(picture)
        planes = planes_of(picture)
        boxes = grid(picture.size, SIDE)
        tiles = [(plane.crop(box), plane.mode == "L") for plane in planes for box in boxes]
        progress = _Progress(on_progress, 2 * sum(tile.width * tile.height for tile, _ in tiles))
        coded = [self._compressed(tile, is_grey, progress) for tile, is_grey in tiles]
        pixels = self._tiles(coded, [tile.size for tile, _ in tiles], [is_grey for _, is_grey in tiles], progress)
        kept = [
            one if np.array_equal(back, _rgb(tile)) else Tile(Storage.WEBP, _webp(tile))
            for one, back, (tile, _) in zip(coded, pixels, tiles, strict=True)
        ]
        model = self.network
        return to_bytes(
            Archive(picture.mode, picture.size, SIDE, model.name, model.fingerprint, checksum(picture), tuple(kept))
        )

    @one_thread()
    def decompress(self, data: bytes, *, on_progress: OnProgress = lambda done, total: None) -> Image.Image:
        """Return the picture of a file.

        Args:
            data: the bytes of an `.sfl` file.
            on_progress: told the pixels done.

        Raises:
            CodecError: the file is damaged, truncated or of another model, or its picture does not match its checksum.
        """
        archive = from_bytes(data)
        if (archive.model, archive.fingerprint) != (self.network.name, self.network.fingerprint):
            raise CodecError(
                f"The file was made with {archive.model!r}, weights {archive.fingerprint.hex()}; here is "
                f"{self.network.name!r}, {self.network.fingerprint.hex()}. Use the release that made it."
            )
        boxes = grid(archive.size, archive.side)
        modes = [archive.mode.rstrip("A")] + (["L"] if archive.mode.endswith("A") else [])
        sizes = [(right - left, bottom - top) for left, top, right, bottom in boxes]
        progress = _Progress(on_progress, len(modes) * archive.size[0] * archive.size[1])
        greys = [mode == "L" for mode in modes for _ in boxes]
        pixels = iter(self._tiles(archive.tiles, sizes * len(modes), greys, progress))
        planes = [_joined(mode, archive.size, boxes, pixels) for mode in modes]
        picture = planes[0]
        if len(planes) == 2:
            picture = Image.merge(archive.mode, [*planes[0].split(), planes[1]])
        if checksum(picture) != archive.checksum:
            raise CodecError("The file is damaged: its picture does not match its checksum.")
        return picture

    def _compressed(self, tile: Image.Image, is_grey: bool, progress: _Progress) -> Tile:
        pixels = _rgb(tile)
        if (pixels == pixels[0, 0]).all():
            progress.add(tile.width * tile.height)
            return Tile(Storage.COLOUR, pixels[0, 0].tobytes())
        flow, webp = encode(pixels, self.network, is_grey, progress.add), _webp(tile)
        return Tile(Storage.FLOW, flow) if len(flow) <= len(webp) else Tile(Storage.WEBP, webp)

    def _tiles(
        self, tiles: Sequence[Tile], sizes: Sequence[tuple[int, int]], greys: Sequence[bool], progress: _Progress
    ) -> list[np.ndarray]:
        """The pixels (H, W, 3) of tiles of (width, height)."""
        found: dict[int, np.ndarray] = {}
        for i, (tile, (width, height)) in enumerate(zip(tiles, sizes, strict=True)):
            if tile.storage != Storage.FLOW:
                found[i] = _plain(tile, (width, height))
                progress.add(width * height)
        for is_grey in (False, True):
            coded = [i for i, tile in enumerate(tiles) if tile.storage == Storage.FLOW and greys[i] == is_grey]
            for some in _groups(coded):
                shapes = [(sizes[i][1], sizes[i][0]) for i in some]
                decoded = decode([tiles[i].data for i in some], shapes, self.network, is_grey, progress.add)
                found.update(zip(some, decoded, strict=True))
        return [found[i] for i in range(len(tiles))]


class _Progress:
    """Counts pixels."""

    def __init__(self, on_progress: OnProgress, total: int) -> None:
        self._on_progress, self._total, self._done = on_progress, total, 0
        self.add: Tick = self._add

    def _add(self, pixels: int) -> None:
        self._done += pixels
        self._on_progress(self._done, self._total)


def as_stored(picture: Image.Image) -> Image.Image:
    """Return a picture in one of the modes of files.

    Raises:
        CodecError: it has more than 8 bits a channel, another colour space, or no pixels.
    """
    if not picture.width or not picture.height:
        raise CodecError("The picture has no pixels.")
    mode = CONVERTED.get(picture.mode, picture.mode)
    if picture.mode == "P" and "transparency" in picture.info:
        mode = "RGBA"
    if mode not in MODES:
        raise CodecError(
            f"A picture of mode {picture.mode} cannot be stored without loss; convert it to RGB, RGBA or L of 8 bits."
        )
    return picture if picture.mode == mode else picture.convert(mode)


def planes_of(picture: Image.Image) -> list[Image.Image]:
    """Return the colours, L or RGB, and alpha where there is one."""
    if not picture.mode.endswith("A"):
        return [picture]
    bands = picture.split()
    return [bands[0] if len(bands) == 2 else Image.merge("RGB", bands[:3]), bands[-1]]


def _groups(places: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(places), AT_ONCE):
        yield places[start : start + AT_ONCE]


def _rgb(tile: Image.Image) -> np.ndarray:
    return np.asarray(tile.convert("RGB"))


def _webp(tile: Image.Image) -> bytes:
    file = io.BytesIO()
    tile.convert("RGB").save(file, **WEBP)
    return file.getvalue()


def _plain(tile: Tile, size: tuple[int, int]) -> np.ndarray:
    """The pixels of a tile that the flow has no part in.

    Raises:
        CodecError: its bytes are damaged.
    """
    if tile.storage == Storage.COLOUR:
        if len(tile.data) != 3:
            raise CodecError("The file is damaged: a colour has not three bytes.")
        return np.broadcast_to(np.frombuffer(tile.data, np.uint8), (size[1], size[0], 3))
    try:
        with Image.open(io.BytesIO(tile.data), formats=["WEBP"]) as picture:
            if picture.size != size:
                raise CodecError("The file is damaged: a tile has another size.")
            return _rgb(picture)
    except OSError as error:  # Pillow's, for all that it cannot read
        raise CodecError("The file is damaged: a tile cannot be read.") from error


def _joined(
    mode: str, size: tuple[int, int], boxes: Sequence[tuple[int, int, int, int]], pixels: Iterator[np.ndarray]
) -> Image.Image:
    plane = Image.new(mode, size)
    for box in boxes:
        tile = Image.fromarray(np.ascontiguousarray(next(pixels)))
        plane.paste(tile if mode == "RGB" else tile.getchannel("G"), box[:2])
    return plane
