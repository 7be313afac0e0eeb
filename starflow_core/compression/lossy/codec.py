"""Pictures to a few hundred bytes, and back to nearly the same."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from ...flow.starflow import StarFlow
from ...pipeline import Pipeline
from ...progress import OnProgress
from ..codec import Codec, as_stored, planes_of
from ..errors import CodecError
from . import archive as archives
from .archive import Archive, from_bytes, step_size, to_bytes
from .coding import LARGEST, Decoder, Encoder
from .fitting import Search
from .prior import Prior
from .quality import settings
from .target import Target, target_of
from .tiles import from_tokens, joined

REGION = 2  # tiles a side that are looked for and drawn at once: a part of the format
AT_ONCE = 64  # tiles that are coded side by side
ITERATIONS, MOST_ITERATIONS = 60, 10_000
LONGEST_NAME = 60
Result = TypeVar("Result")
Area = tuple[slice, slice]  # rows and columns of tiles


class LossyCodec:
    """Compresses pictures with loss.

    The latents of a STARFlow go through all blocks but the last, are quantised, and coded with what the last block
    predicts of each token.

    Args:
        pipeline: of a STARFlow with an autoencoder, in float32. Its weights are part of the format: a file is read with
            the same ones.

    Raises:
        CodecError: the pipeline is of another kind.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        flow, autoencoder = pipeline.flow, pipeline.autoencoder
        if not isinstance(flow, StarFlow) or autoencoder is None or flow.config.num_blocks < 2:
            raise CodecError("Compressing with loss takes a STARFlow of two blocks or more, such as starflow-mini-128.")
        if any(block.is_conditioned for block in flow.blocks[:-1]) or flow.blocks[-1].free_tokens:
            raise CodecError(
                "Compressing with loss takes a flow with a start token, which reads text in its last block only."
            )
        if flow.dtype != torch.float32 or any(w.dtype != torch.float32 for w in flow.parameters()):
            raise CodecError("Compressing with loss takes a model in float32; load it with dtype float32.")
        self._pipeline, self._flow, self._autoencoder = pipeline, flow, autoencoder
        self._side = pipeline.trained_side // pipeline.factor  # of a tile, in latents
        tokens = self._side // flow.config.patch_size
        self._prior = Prior(flow, pipeline.condition([""]), (tokens, tokens))
        self.name = pipeline.name.rpartition("/")[2].encode("ascii", "replace").decode()[:LONGEST_NAME]
        self.fingerprint = _fingerprint(flow)

    def compress(
        self,
        picture: Image.Image,
        *,
        quality: float = 50,
        iterations: int = ITERATIONS,
        on_progress: OnProgress = lambda done, total: None,
    ) -> bytes:
        """Compress a picture. The result is decoded and compared before it is returned.

        Args:
            picture: of any size, of 8 bits a channel. Alpha is kept exactly; colours beneath full transparency are not.
            quality: from 0, the smallest file, to 100.
            iterations: of the search for tokens that cost few bits and draw the picture well; more take longer.
            on_progress: told the steps done.

        Raises:
            CodecError: the picture has more than 8 bits a channel or no pixels, or a setting is out of range.
        """
        number, weight = checked(quality, iterations)
        step = step_size(number)
        picture = as_stored(picture)
        planes = planes_of(picture)
        target = target_of(planes, self._pixels)
        progress = _Progress(on_progress, self.steps(picture.size, iterations))
        rows, columns = self._tiles(picture.size)
        grid = torch.zeros(rows, columns, *self._tile_shape, dtype=torch.long)
        search = Search(self._flow, self._autoencoder, self._prior, self._side, step, weight, iterations)
        for area in _regions(rows, columns):
            grid[area] = self._found(search, target, area, progress)
        indices = grid.flatten(0, 1)
        data = self._coded(indices, step, progress)
        if not torch.equal(self._indices(data, len(indices), step, progress), indices):
            raise CodecError("The picture does not come back on this machine; compress it without loss.")
        alpha = Codec().compress(planes[1]) if len(planes) == 2 else b""
        summed = archives.checksum(indices.numpy())
        return to_bytes(Archive(picture.mode, picture.size, self.name, self.fingerprint, number, summed, alpha, data))

    @torch.inference_mode()
    def decompress(self, data: bytes, *, on_progress: OnProgress = lambda done, total: None) -> Image.Image:
        """Return the picture of a file. Two machines draw it alike to within a grey level.

        Args:
            data: the bytes of an `.sfl` file that was compressed with loss.
            on_progress: told the steps done.

        Raises:
            CodecError: the file is damaged, truncated or of another model, or does not match its checksum.
        """
        archive = from_bytes(data)
        if archive.fingerprint != self.fingerprint:
            raise CodecError(
                f"The file was made with {archive.model!r}, weights {archive.fingerprint.hex()}; here is "
                f"{self.name!r}, {self.fingerprint.hex()}. Load the model that made it."
            )
        rows, columns = self._tiles(archive.size)
        if len(archive.data) < rows * columns:  # each tile takes more: its tokens' shifts alone cost 26 bits
            raise CodecError("The file is damaged: it is shorter than its picture needs.")
        progress = _Progress(on_progress, self._coding_steps(rows * columns))
        indices = self._indices(archive.data, rows * columns, step_size(archive.step), progress)
        if archives.checksum(indices.numpy()) != archive.checksum:
            raise CodecError("The file is damaged: what it holds does not match its checksum.")
        picture = self._drawn(indices.unflatten(0, (rows, columns)), step_size(archive.step)).crop(
            (0, 0, *archive.size)
        )
        picture = picture.convert(archive.mode.rstrip("A"))
        if archive.alpha:
            alpha = Codec().decompress(archive.alpha)
            if (alpha.mode, alpha.size) != ("L", picture.size):
                raise CodecError("The file is damaged: its alpha has another size.")
            picture.putalpha(alpha)
        return picture

    def steps(self, size: tuple[int, int], iterations: int = ITERATIONS) -> int:
        """How many steps `compress` tells of a picture of some width and height."""
        rows, columns = self._tiles(size)
        return len(list(_regions(rows, columns))) * (iterations + 1) + 2 * self._coding_steps(rows * columns)

    def _tiles(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of the tiles of a picture of some width and height."""
        return -(-size[1] // self._pixels), -(-size[0] // self._pixels)

    @property
    def _tile_shape(self) -> tuple[int, int]:
        """Tokens of a tile, and numbers of a token."""
        return self._prior.grid[0] * self._prior.grid[1], self._flow.blocks[-1].shape.token_dim

    @property
    def _pixels(self) -> int:
        """The side of a tile in pixels."""
        return self._side * self._pipeline.factor

    def _coding_steps(self, tiles: int) -> int:
        return -(-tiles // AT_ONCE) * self._tile_shape[0]

    def _found(self, search: Search, target: Target, area: Area, progress: _Progress) -> Tensor:
        """The indices (rows, columns, T, D) of a part of a picture's tiles."""
        down, across = (slice(tiles.start * self._pixels, tiles.stop * self._pixels) for tiles in area)
        with torch.inference_mode(False), torch.enable_grad():
            steps = search(target.pixels[:, down, across].clone(), target.counts[down, across].clone())
            *_, indices = progress.through(steps)
        rows, columns = (tiles.stop - tiles.start for tiles in area)
        return indices.cpu().clamp(-LARGEST, LARGEST - 1).long().unflatten(0, (rows, columns))

    def _drawn(self, indices: Tensor, step: float) -> Image.Image:
        """The picture of whole tiles (rows, columns, T, D), part by part, as the search has drawn them."""
        rows, columns = indices.shape[:2]
        picture = Image.new("RGB", (columns * self._pixels, rows * self._pixels))
        for area in _regions(rows, columns):
            tokens = indices[area].flatten(0, 1).to(self._flow.device, torch.float32) * step
            tiles = from_tokens(self._flow, tokens, self._prior.grid)
            latents = joined(tiles, area[1].stop - area[1].start)
            part = self._pipeline.decode(latents[None])[0]
            picture.paste(part, (area[1].start * self._pixels, area[0].start * self._pixels))
        return picture

    def _coded(self, indices: Tensor, step: float, progress: _Progress) -> bytes:
        encoder = Encoder()
        with torch.inference_mode():
            for some in indices.split(AT_ONCE):
                deque(progress.through(self._prior.encoded(some, step, encoder)), maxlen=0)
        return encoder.data()

    def _indices(self, data: bytes, tiles: int, step: float, progress: _Progress) -> Tensor:
        decoder = Decoder(data)
        indices = torch.zeros(tiles, *self._tile_shape, dtype=torch.long)
        with torch.inference_mode():
            for some in indices.split(AT_ONCE):
                deque(progress.through(self._prior.decoded(len(some), step, decoder, some)), maxlen=0)
        return indices


def checked(quality: float, iterations: int) -> tuple[int, float]:
    """Return the number of the quantiser's step, and the weight of a square grey level in bits, of a quality.

    Raises:
        CodecError: a setting is out of range.
    """
    if not 0 <= iterations <= MOST_ITERATIONS:
        raise CodecError(f"iterations is {iterations}; it must be from 0 to {MOST_ITERATIONS:,}.")
    return settings(quality)


class _Progress:
    """Counts steps."""

    def __init__(self, on_progress: OnProgress, total: int) -> None:
        self._on_progress, self._total, self._done = on_progress, total, 0

    def through(self, steps: Iterator[Result]) -> Iterator[Result]:
        """Count each step, and hand on what it yields."""
        for result in steps:
            self._done += 1
            self._on_progress(self._done, self._total)
            yield result


def _regions(rows: int, columns: int) -> Iterator[Area]:
    """Parts of a grid of tiles."""
    for top in range(0, rows, REGION):
        for left in range(0, columns, REGION):
            yield slice(top, min(top + REGION, rows)), slice(left, min(left + REGION, columns))


def _fingerprint(flow: StarFlow) -> bytes:
    """A hash of all of a flow's weights."""
    digest = hashlib.blake2b(digest_size=archives.FINGERPRINT)
    for name, weight in flow.state_dict().items():
        digest.update(name.encode() + weight.detach().cpu().contiguous().numpy().tobytes())
    return digest.digest()
