"""STARFlow Compress and STARFlow Decompress."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import torch
from PIL import Image as Picture
from torch import Tensor

from starflow_core.memory import denoising_memory
from starflow_core.progress import part_of

from . import conditions, convert
from .declaration import FLOAT, IMAGE, MASK, MODEL, STRING, Number, Output, Shown, Socket, Text, node
from .host import Host
from .pictures import PIXEL_MEMORY
from .values import Image, Mask, Model

SUFFIX = ".sfl"
REGION = 2  # tiles a side that the codec with loss looks at at once
GRADIENT = 4  # times the memory of decoding, for its gradient
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
    "Saves pictures of 8 bits in files as small as a flow finds them likely: one .sfl file for each. Without a model, "
    "STARFlow Decompress gives them back bit by bit; with one, nearly as they were, from far fewer bytes.",
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
    model: Annotated[
        Model | None,
        Socket("to compress with loss: a STARFlow in float32, such as starflow-mini-128; without one, exactly", MODEL),
    ] = None,
    quality: Annotated[float, Number("with a model: from 0, the smallest file, to 100", 0, 100, 1)] = 50,
    iterations: Annotated[
        int, Number("with a model: of the search for what costs few bits and draws the picture well", 0, 1000, 1)
    ] = 30,
) -> Shown:
    pictures = _pictures(image, mask)
    width, height = pictures[0].size
    save = host.saving(filename_prefix, SUFFIX, (width, height))
    if model is None:
        coded = _exactly(host, pictures)
    else:
        coded = _nearly(host, model, pictures, quality=quality, iterations=iterations)
    # After all of the work, so that a cancelled job leaves no file.
    written = [
        Written(save(data), len(data), 8 * len(data) / (width * height * len(picture.getbands())))
        for picture, data in zip(pictures, coded, strict=True)
    ]
    return Shown(([one.file for one in written], [one.bits_per_dim for one in written]), written)


@node(
    "STARFlowDecompress",
    "STARFlow Decompress",
    "Reads a picture from an .sfl file of STARFlow Compress or of the command starflow compress.",
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
    model: Annotated[
        Model | None, Socket("of a file that was compressed with loss: the one that it was compressed with", MODEL)
    ] = None,
) -> tuple[Image, Mask]:
    picture = _decompressed(host, host.read(file, SUFFIX), model)
    if not picture.mode.endswith("A"):
        return convert.image([picture.convert("RGB")]), torch.zeros(1, picture.height, picture.width)
    return convert.image([picture.convert("RGB")]), 1 - convert.image([picture.getchannel("A")])


def _exactly(host: Host, pictures: Sequence[Picture.Image]) -> list[bytes]:
    """Files of pictures of one size, without loss."""
    from starflow_core.compression import Codec  # its weights and coders are loaded with the first picture

    codec, report = Codec(), host.steps()
    steps = 2 * math.prod(pictures[0].size) * (2 if pictures[0].mode == "RGBA" else 1)
    return [
        codec.compress(picture, on_progress=part_of(report, i * steps, len(pictures) * steps))
        for i, picture in enumerate(pictures)
    ]


def _nearly(
    host: Host, model: Model, pictures: Sequence[Picture.Image], *, quality: float, iterations: int
) -> list[bytes]:
    """Files of pictures of one size, with loss.

    Raises:
        ValueError: the model is none to compress with.
    """
    from starflow_core.compression.lossy import LossyCodec

    report, pipeline = host.steps(), conditions.with_text(host, model)
    with _in_memory(host, model, pictures[0].size):
        codec = LossyCodec(pipeline)
        steps = codec.steps(pictures[0].size, iterations)
        return [
            codec.compress(
                picture,
                quality=quality,
                iterations=iterations,
                on_progress=part_of(report, i * steps, len(pictures) * steps),
            )
            for i, picture in enumerate(pictures)
        ]


def _decompressed(host: Host, data: bytes, model: Model | None) -> Picture.Image:
    """The picture of a file.

    Raises:
        ValueError: the file is damaged, or was compressed with loss and with another model.
    """
    from starflow_core.compression import Codec
    from starflow_core.compression.envelope import Kind, kind_of
    from starflow_core.compression.lossy import LossyCodec
    from starflow_core.compression.lossy.archive import from_bytes

    if kind_of(data) == Kind.LOSSLESS:
        return Codec().decompress(data, on_progress=host.steps())
    if model is None:
        raise ValueError(f"This file was compressed with loss, with the model {from_bytes(data).model!r}; connect it.")
    pipeline = conditions.with_text(host, model)
    with _in_memory(host, model, from_bytes(data).size):
        return LossyCodec(pipeline).decompress(data, on_progress=host.steps())


@contextmanager
def _in_memory(host: Host, model: Model, size: tuple[int, int]) -> Iterator[None]:
    """Keep autoencoder and flow on their devices, with memory to look for tokens of a picture, part by part."""
    side = model.pipeline.trained_side
    tiles = min(math.prod(-(-length // side) for length in size), REGION**2)
    flow = model.pipeline.flow
    tokens = side // model.pipeline.multiple
    memory = denoising_memory(flow, tiles, (tokens, tokens), conditions.condition(host, model, None, 1))
    with (
        host.in_memory(model.autoencoder, GRADIENT * tiles * side**2 * PIXEL_MEMORY),
        host.in_memory(model.flow, memory),
    ):
        yield


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
