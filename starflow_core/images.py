"""Input pictures: opened, scaled to a model's size, and converted to tensors."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from .levels import as_8_bit, levels_of_dtype, to_8_bit

# An input picture: PIL's, the path of a file, a numpy array (H, W) or (H, W, C), or a torch tensor (H, W) or (C, H, W).
# levels.py defines black and white of an array or a tensor.
AnyImage = Image.Image | str | os.PathLike[str] | np.ndarray | Tensor

MAX_ASPECT_RATIO = 4.0
MAX_AREA = 16  # times the area that a model was trained at


def open_image(path: os.PathLike[str] | str, name: str | None = None) -> Image.Image:
    """A picture from a file; of an animation, the first frame. More than 8 bits become 8, as levels.py says.

    Args:
        path: of the file.
        name: of the picture, for error messages; the path by default.

    Raises:
        ValueError: the file is missing, not a picture, damaged or too large, or its white level is unknown.
    """
    return _read(path, path if name is None else name)


def open_unchanged(path: os.PathLike[str] | str) -> Image.Image:
    """A picture from a file, of the mode and the depth that it has there; of an animation, the first frame.

    Raises:
        ValueError: the file is missing, not a picture, damaged or too large.
    """
    return _read(path, path, unchanged=True)


def decode_image(encoded: bytes, name: str = "This file") -> Image.Image:
    """A picture from the bytes of its file, as `open_image` reads it.

    Args:
        encoded: a PNG, JPEG, WebP or another file that Pillow reads.
        name: of the picture, for error messages.

    Raises:
        ValueError: it is not a picture, damaged or too large, or its white level is unknown.
    """
    return _read(io.BytesIO(encoded), name)


def _read(
    file: os.PathLike[str] | str | io.BytesIO, name: os.PathLike[str] | str, unchanged: bool = False
) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the warning comes at half the limit
            with Image.open(file) as image:
                image.load()
                return (image if unchanged else _in_8_bits(name, image)).copy()
    except FileNotFoundError:
        raise ValueError(f"There is no file {name}.") from None
    except IsADirectoryError:
        raise ValueError(f"{name} is a folder; give the files in it one by one.") from None
    except UnidentifiedImageError:
        raise ValueError(f"{name} is no picture that can be read; PNG, JPEG and WebP can.") from None
    except Image.DecompressionBombError:
        raise ValueError(f"{name} is too large a picture; scale it down first.") from None
    except (OSError, SyntaxError, EOFError) as error:  # what Pillow raises for damaged files
        raise ValueError(f"{name} cannot be read as a picture: {error}.") from error


def as_rgb(image: AnyImage) -> Image.Image:
    """Any picture as upright RGB, transparency laid on white; levels.py defines black and white.

    Raises:
        ValueError: it is not a picture, its data cannot be read, or its white level is unknown.
    """
    try:
        image = ImageOps.exif_transpose(as_8_bit(_opened(image)))
        if image.mode == "La":  # Pillow has no way from here to RGBA but by LA
            image = image.convert("LA")
        if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
            rgba = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        return image.convert("RGB")
    except (OSError, SyntaxError) as error:
        raise ValueError(f"The picture cannot be read: {error}.") from error


def _in_8_bits(path: os.PathLike[str] | str, image: Image.Image) -> Image.Image:
    try:
        return as_8_bit(image)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _opened(image: AnyImage) -> Image.Image:
    """A picture of any accepted type as a `PIL.Image`."""
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, (str, os.PathLike)):
        return open_image(image)
    if isinstance(image, Tensor):
        numbers = image.detach().cpu()
        numbers = numbers.float() if numbers.dtype in (torch.float16, torch.bfloat16) else numbers
        return _from_array(numbers.movedim(0, -1).numpy() if numbers.ndim == 3 else numbers.numpy(), "(C, H, W)")
    if isinstance(image, np.ndarray):
        return _from_array(image, "(H, W, C)")
    raise ValueError(
        f"A picture is a {type(image).__name__}; it must be a PIL image, a path, a numpy array (H, W, C) or a torch "
        "tensor (C, H, W)."
    )


def _from_array(pixels: np.ndarray, layout: str) -> Image.Image:
    """A picture from numbers (H, W) or (H, W, C), of one to four channels."""
    if pixels.ndim not in (2, 3) or pixels.size == 0 or (pixels.ndim == 3 and not 1 <= pixels.shape[2] <= 4):
        raise ValueError(
            f"A picture is given as numbers of the shape {pixels.shape}; it must be (H, W) or {layout} with 1 channel "
            "(grey), 2 (with alpha), 3 (RGB) or 4 (with alpha), one picture at a time."
        )
    grey = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    return Image.fromarray(np.ascontiguousarray(to_8_bit(grey, levels_of_dtype(grey.dtype))))


def fitted_size(width: int, height: int, side: int, multiple: int) -> tuple[int, int]:
    """Width and height with the trained area side² and the nearest aspect ratio, in multiples of `multiple`.

    Raises:
        ValueError: the aspect ratio is too extreme.
    """
    ratio = width / height
    if not 1 / MAX_ASPECT_RATIO <= ratio <= MAX_ASPECT_RATIO:
        raise ValueError(
            f"The picture is {width}×{height}; no side may be more than {MAX_ASPECT_RATIO:g} times the other. "
            "Crop it first."
        )
    fitted = (round(math.sqrt(side**2 * r) / multiple) * multiple for r in (ratio, 1 / ratio))
    fitted_width, fitted_height = (max(multiple, pixels) for pixels in fitted)
    return fitted_width, fitted_height


def middle_square(image: Image.Image, side: int, resampling: Image.Resampling) -> Image.Image:
    """The largest centred square of a picture, scaled to `side` pixels."""
    if image.size == (side, side):
        return image
    return image.crop(middle_box(image.size)).resize((side, side), resampling)


def middle_box(size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the largest square in the middle of a picture of a width and a height."""
    edge = min(size)
    left, top = (size[0] - edge) // 2, (size[1] - edge) // 2
    return left, top, left + edge, top + edge


def checked_size(size: int | Sequence[int] | None, side: int, multiple: int) -> tuple[int, int]:
    """Width and height from a setting: None, a side, or both.

    Raises:
        ValueError: a side is not a positive multiple of `multiple`, or the picture is too large for the model.
    """
    width, height = _pair(side if size is None else size)
    for pixels in (width, height):
        if isinstance(pixels, bool) or not isinstance(pixels, int) or pixels < multiple or pixels % multiple:
            raise ValueError(f"size is {width}×{height}; width and height must be positive multiples of {multiple}.")
    if width * height > MAX_AREA * side**2:
        largest = int(math.sqrt(MAX_AREA)) * side
        raise ValueError(f"size is {width}×{height}; this model makes pictures of up to {largest}×{largest} pixels.")
    return width, height


def to_tensor(image: Image.Image, channels: int = 3) -> Tensor:
    """An RGB picture as (channels, H, W) in [−1, 1], float32: its colours, or grey as one channel."""
    pixels = np.array(image if channels == 3 else image.convert("L"), dtype=np.uint8)
    return torch.from_numpy(pixels).view(*pixels.shape[:2], channels).permute(2, 0, 1).float() / 127.5 - 1


def grey(colours: Tensor) -> Tensor:
    """Luma (B, 1, H, W) of colours (B, 3, H, W), by the weights of ITU-R BT.601, which Pillow takes too."""
    return (colours * colours.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)


def to_images(tensor: Tensor) -> list[Image.Image]:
    """(B, 3, H, W), or grey (B, 1, H, W), clamped to [−1, 1], as RGB pictures."""
    colours = tensor.expand(-1, 3, -1, -1)
    pixels = ((colours.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(image) for image in pixels]


def psnr(first: Tensor, second: Tensor) -> float:
    """Peak signal-to-noise ratio of two pictures, or batches, in [−1, 1], in dB; infinite where they are equal."""
    error = (first - second).square().mean()
    return float(10 * torch.log10(4 / error)) if error > 0 else math.inf


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    if not isinstance(size, Sequence) or len(size) != 2:
        raise ValueError(f"size is {size!r}; it must be a side or (width, height), in whole pixels.")
    return size[0], size[1]
