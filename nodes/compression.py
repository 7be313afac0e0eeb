"""STARFlow Compress and STARFlow Decompress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from PIL import Image as Picture
from torch import Tensor

from starflow_core.progress import part_of

from . import convert
from .declaration import FLOAT, IMAGE, MASK, STRING, Output, Shown, Socket, Text, node
from .host import Host
from .values import Image, Mask

SUFFIX = ".sfl"
LONGEST_PREFIX, LONGEST_NAME = 200, 1000  # characters


@dataclass(frozen=True)
class Written:
    """A file that was written.

    Attributes:
        file: its name.
        size: in bytes.
        bits_per_dim: of the file, by values of the picture.
    """

    file: str
    size: int
    bits_per_dim: float

    def __str__(self) -> str:
        return f"{self.file}: {self.size:,} bytes, {self.bits_per_dim:.3f} bits per dimension"


@node(
    "STARFlowCompress",
    "STARFlow Compress",
    "Saves pictures of 8 bits without loss, in files as small as a flow finds them likely: one .sfl file for each. "
    "STARFlow Decompress gives them back bit by bit.",
    outputs=(
        Output("file", STRING, "for STARFlow Decompress, a list: one for each picture", is_list=True, is_file=True),
        Output("bits_per_dim", FLOAT, "of the file, fewer are smaller; a list: one for each picture", is_list=True),
    ),
    category="compression",
    aliases=("save image", "lossless", "codec", "archive", "smaller files", "sfl", "normalizing flow"),
    shows=True,
)
def compress(
    host: Host,
    image: Annotated[Image, Socket("pictures; their values are rounded to 8 bits", IMAGE)],
    mask: Annotated[
        Mask | None, Socket("where the pictures are transparent, as of Load Image; it is stored too", MASK)
    ] = None,
    filename_prefix: Annotated[
        str, Text("how the names of the files begin; a / before it names a folder", longest=LONGEST_PREFIX)
    ] = "starflow",
) -> Shown:
    from starflow_core.compression import Codec  # its weights and coders are loaded with the first picture

    pictures = _pictures(image, mask)
    width, height = pictures[0].size
    save, codec, report = host.saving(filename_prefix, SUFFIX, (width, height)), Codec(), host.steps()
    steps = 2 * width * height * (2 if pictures[0].mode == "RGBA" else 1)
    coded = [
        codec.compress(picture, on_progress=part_of(report, i * steps, len(pictures) * steps))
        for i, picture in enumerate(pictures)
    ]
    # After all of the work, so that a cancelled job leaves no file.
    written = [
        Written(save(data), len(data), 8 * len(data) / (width * height * len(picture.getbands())))
        for picture, data in zip(pictures, coded, strict=True)
    ]
    return Shown(([one.file for one in written], [one.bits_per_dim for one in written]), written)


@node(
    "STARFlowDecompress",
    "STARFlow Decompress",
    "Reads a picture from an .sfl file of STARFlow Compress or of the command starflow compress, bit by bit as it was.",
    outputs=(
        Output("image", IMAGE, "the picture; a grey one has three equal channels"),
        Output("mask", MASK, "1 where the picture is transparent; 0 everywhere if it has no alpha; of its size"),
    ),
    category="compression",
    aliases=("load image", "lossless", "codec", "archive", "sfl", "normalizing flow"),
)
def decompress(
    host: Host,
    file: Annotated[
        str,
        Text(
            "from STARFlow Compress, or the name of an .sfl file in the output or input folder",
            longest=LONGEST_NAME,
            is_file=True,
        ),
    ] = "",
) -> tuple[Image, Mask]:
    from starflow_core.compression import Codec

    data = host.read(file, SUFFIX)
    picture = Codec().decompress(data, on_progress=host.steps())
    if not picture.mode.endswith("A"):
        return convert.image([picture.convert("RGB")]), torch.zeros(1, picture.height, picture.width)
    return convert.image([picture.convert("RGB")]), 1 - convert.image([picture.getchannel("A")])


def _pictures(image: Image, mask: Mask | None) -> Sequence[Picture.Image]:
    """The pictures of an IMAGE, with alpha where a mask, or a fourth channel, makes a place transparent.

    Raises:
        ValueError: the image is empty or of another shape, or the mask does not fit.
    """
    pictures = convert.pictures(image)
    alpha = _alpha(mask, len(pictures), pictures[0].size)
    if mask is None and image.shape[-1] == 4:
        alpha = image[..., 3]
    if alpha is None:
        return pictures
    values = (alpha.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    for picture, one in zip(pictures, values, strict=True):
        picture.putalpha(Picture.fromarray(one))
    return pictures


def _alpha(mask: Mask | None, number: int, size: tuple[int, int]) -> Tensor | None:
    """The alpha (B, H, W) of a mask, 1 − mask; None if nothing is transparent.

    Raises:
        ValueError: the mask has another shape than the pictures.
    """
    if mask is None:
        return None
    if not isinstance(mask, Tensor) or mask.ndim not in (2, 3) or not mask.numel():
        got = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise ValueError(f"This mask is {got}; it must be (B, H, W).")
    if not mask.any():
        return None  # as Load Image gives it for a picture without alpha, whatever the size
    masks = mask.reshape(-1, *mask.shape[-2:])
    if len(masks) not in (1, number):
        raise ValueError(f"These are {len(masks)} masks for {number} pictures; give one, or one for each.")
    if masks.shape[1:] != size[::-1]:
        height, width = masks.shape[1:]
        raise ValueError(
            f"This mask has {width}×{height} pixels, and the pictures {size[0]}×{size[1]}; scale it first."
        )
    return 1 - masks.expand(number, -1, -1)
