"""Pictures to learn, decoded, and random views of them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..images import as_rgb, middle_square, open_image
from ..progress import OnProgress

IN_MEMORY = 2 * 2**30  # bytes of decoded pictures; further ones are read again whenever they are seen
GREY = 2  # levels by which the colours of a grey picture may differ, as after a lossy file


@dataclass(frozen=True)
class Framing:
    """How pictures become the squares that a model sees.

    Attributes:
        side: of the squares, in pixels.
        crop: random squares at the pictures' own resolution; otherwise the middle square, scaled. Pictures smaller than
            the square are scaled up in both cases.
        mirror: half of the squares are mirrored.
    """

    side: int
    crop: bool = False
    mirror: bool = False


@dataclass
class Pictures:
    """Decoded pictures.

    Attributes:
        framing: how they are seen.
        channels: 1, Pillow's grey, or 3.
        files: of each.
        places: of each in the list that they were read from, of which the broken ones are missing.
        digests: of the contents of each file.
        numbers: the pixels, times the channels, that all of them have.
    """

    framing: Framing
    channels: int
    files: list[Path] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    numbers: int = 0
    _decoded: list[np.ndarray | None] = field(default_factory=list)

    @classmethod
    def read(
        cls,
        files: Sequence[Path],
        framing: Framing,
        failed: Callable[[str], None],
        on_progress: OnProgress = lambda done, total: None,
        *,
        channels: int | None = None,
    ) -> Pictures:
        """Read pictures; call `failed` with an error message for each that is left out.

        Without a number of channels, they have one if all are grey.
        """
        made, is_grey, size = cls(framing, 3), channels != 3, 0
        for place, file in enumerate(files):
            try:
                pixels = _framed(file, framing)
                digest = hashlib.blake2b(file.read_bytes(), digest_size=8).digest()
            except (ValueError, OSError) as error:
                failed(str(error))
            else:
                is_grey = is_grey and (channels == 1 or _is_grey(pixels))
                size += pixels.nbytes
                made.files.append(file)
                made.places.append(place)
                made.digests.append(digest)
                made._decoded.append(pixels if size <= IN_MEMORY else None)
            on_progress(place + 1, len(files))
        if is_grey and made.files:
            made._drop_colours()
        made.numbers = size * made.channels // 3
        return made

    def __len__(self) -> int:
        return len(self.files)

    def view(self, index: int, rng: random.Random) -> np.ndarray:
        """A square of a picture, (S, S, C) uint8; random where the framing is."""
        pixels, side = self._pixels(index), self.framing.side
        if self.framing.crop:
            top, left = (rng.randrange(length - side + 1) for length in pixels.shape[:2])
            pixels = pixels[top : top + side, left : left + side]
        return pixels[:, ::-1] if self.framing.mirror and rng.random() < 0.5 else pixels

    def views(self, indices: Sequence[int], rng: random.Random) -> Tensor:
        """Squares of pictures, (N, C, S, S) in [−1, 1]."""
        return as_tensor(np.stack([self.view(index, rng) for index in indices]))

    def whole(self, indices: Sequence[int]) -> Tensor:
        """Scaled pictures, not mirrored, (N, C, S, S) in [−1, 1]."""
        return as_tensor(np.stack([self._pixels(index) for index in indices]))

    def split(self, share: float, most: int) -> tuple[list[int], list[int]]:
        """Split into pictures to train on and held-out ones, by the digests: equal files are seldom parted.

        Args:
            share: of held-out ones; one at least.
            most: held-out ones.
        """
        order = sorted(range(len(self)), key=lambda index: self.digests[index])
        out = min(most, max(1, round(share * len(self))))
        while out < len(order) - 1 and self.digests[order[out]] == self.digests[order[out - 1]]:
            out += 1
        return sorted(order[out:]), sorted(order[:out])

    def _drop_colours(self) -> None:
        self.channels = 1
        self._decoded = [None if pixels is None else _grey(pixels) for pixels in self._decoded]

    def _pixels(self, index: int) -> np.ndarray:
        decoded = self._decoded[index]
        if decoded is not None:
            return decoded
        pixels = _framed(self.files[index], self.framing)
        return _grey(pixels) if self.channels == 1 else pixels


def as_tensor(images: np.ndarray) -> Tensor:
    """Pictures (N, H, W, C) uint8 → (N, C, H, W) in [−1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def _framed(file: Path, framing: Framing) -> np.ndarray:
    """A picture as (H, W, 3) uint8: its middle square, scaled; or whole, and as large as a square at least."""
    image, side = as_rgb(open_image(file)), framing.side
    if not framing.crop:
        image = middle_square(image, side, Image.Resampling.LANCZOS)
    elif (shorter := min(image.size)) < side:
        size = tuple(max(side, round(length * side / shorter)) for length in image.size)
        image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _is_grey(pixels: np.ndarray) -> bool:
    spread = pixels.max(axis=2).astype(int) - pixels.min(axis=2)
    return bool(spread.max() <= GREY)


def _grey(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
