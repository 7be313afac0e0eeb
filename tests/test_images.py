from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from starflow_core.images import as_rgb, checked_size, fitted_size, middle_square, open_image, to_images, to_tensor

RED, WHITE = (255, 0, 0), (255, 255, 255)


def refusal(call: Callable[[], object]) -> str | None:
    """The message of the ValueError that a call ends with, if it does."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return None


# Modes


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"])
def test_white_of_any_mode_is_white(mode: str) -> None:
    source = Image.new("RGBA", (3, 2), "white")
    image = source.convert("LA").convert(mode) if mode == "La" else source.convert(mode)
    rgb = as_rgb(image)
    assert rgb.mode == "RGB"
    assert rgb.size == (3, 2)
    assert rgb.getcolors() == [(6, WHITE)]


@pytest.mark.parametrize("mode", ["HSV", "LAB"])
def test_other_colour_spaces_are_converted_or_refused_with_a_word(mode: str) -> None:
    message = refusal(lambda: as_rgb(Image.new(mode, (3, 2))))
    assert message is None or "picture" in message


@pytest.mark.parametrize("mode", ["P", "RGB", "RGBA", "CMYK"])
def test_red_stays_red(mode: str) -> None:
    assert as_rgb(Image.new("RGB", (2, 2), RED).convert(mode)).getpixel((1, 1)) == RED


def test_what_is_transparent_lies_on_white() -> None:
    image = Image.new("RGBA", (3, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (*RED, 255))
    image.putpixel((2, 0), (0, 0, 0, 128))
    rgb = as_rgb(image)
    assert rgb.getpixel((0, 0)) == WHITE
    assert rgb.getpixel((1, 0)) == RED
    assert rgb.getpixel((2, 0)) == (127, 127, 127)


def test_transparent_colour_of_a_palette_lies_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, 0, 255, 0])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "palette.png", transparency=0)
    rgb = as_rgb(open_image(tmp_path / "palette.png"))
    assert rgb.getpixel((0, 0)) == WHITE
    assert rgb.getpixel((1, 0)) == (0, 255, 0)


@pytest.mark.parametrize(("mode", "key"), [("L", 7), ("RGB", (255, 0, 0))])
def test_transparent_colour_without_a_palette_lies_on_white(mode: str, key: Any, tmp_path: Path) -> None:
    Image.new(mode, (2, 1), key).save(tmp_path / "keyed.png", transparency=key)
    assert as_rgb(open_image(tmp_path / "keyed.png")).getcolors() == [(2, WHITE)]


def test_picture_given_is_left_alone() -> None:
    image = Image.new("RGB", (2, 2), RED)
    as_rgb(image).putpixel((0, 0), WHITE)
    assert image.getpixel((0, 0)) == RED


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (3, 1)), (6, (1, 0)), (8, (0, 3))])
def test_rotation_in_the_exif_data_is_carried_out(orientation: int, corner: tuple[int, int], tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 2), "white")
    image.putpixel((0, 0), RED)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "turned.png", exif=exif)
    rgb = as_rgb(open_image(tmp_path / "turned.png"))
    assert rgb.size == ((2, 4) if orientation in (6, 8) else (4, 2))
    assert rgb.getpixel(corner) == RED


# Files


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "green", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert as_rgb(open_image(tmp_path / "moving.gif")).getpixel((0, 0)) == RED


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif", "tiff"])
def test_common_formats_are_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{suffix}"
    Image.new("RGB", (5, 4), "white").save(path)
    assert as_rgb(open_image(path)).size == (5, 4)
    assert open_image(str(path)).size == (5, 4)


def test_file_is_closed_after_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (5, 4)).save(path)
    image = open_image(path)
    path.unlink()
    assert getattr(image, "fp", None) is None
    assert image.getpixel((4, 3)) == (0, 0, 0)


def noisy(suffix: str) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((40, 40), 50).convert("RGB").save(stream, format={"jpg": "jpeg"}.get(suffix, suffix))
    return stream.getvalue()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "tiff"])
def test_file_cut_short_is_refused_or_read(suffix: str, share: float, tmp_path: Path) -> None:
    path, whole = tmp_path / f"cut.{suffix}", noisy(suffix)
    path.write_bytes(whole[: int(len(whole) * share)])
    message = refusal(lambda: open_image(path))
    if message is None:
        assert suffix == "gif"  # Pillow fills up what is missing
    else:
        assert re.search(r"cannot be read as a picture|is no picture", message)
        assert str(path) in message


@pytest.mark.filterwarnings("ignore")  # Pillow's own, of TIFF tags
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "tiff", "bmp"])
def test_damaged_bytes_never_raise_anything_but_value_errors(suffix: str, tmp_path: Path) -> None:
    path, whole = tmp_path / f"damaged.{suffix}", noisy(suffix)
    rng = np.random.default_rng(0)
    for _ in range(30):
        damaged = bytearray(whole)
        for position in rng.integers(0, min(len(whole), 200), 5):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged)
        message = refusal(lambda: as_rgb(open_image(path)))
        assert message is None or str(path) in message or "picture" in message


@pytest.mark.parametrize("content", [b"", b"just words\n", b"\x89PNG\r\n\x1a\n", b"<svg></svg>", b"%PDF-1.7"])
def test_file_that_is_no_picture_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "words.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"words\.png (is no picture|cannot be read)"):
        open_image(path)


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder"):
        open_image(tmp_path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no file"):
        open_image(tmp_path / "missing.png")


def test_path_with_a_null_character_is_refused() -> None:
    with pytest.raises(ValueError, match="null"):
        open_image("a\0b.png")


def png_header(width: int, height: int) -> bytes:
    """A tiny PNG file that claims to be so large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_decompression_bomb_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(100_000, 100_000))
    with pytest.raises(ValueError, match="too large a picture"):
        open_image(path)


@pytest.mark.filterwarnings("error")
def test_picture_of_more_megapixels_than_usual_gives_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (20_000, 5_000), 1).save(path)  # 100 megapixels, which is above where Pillow warns
    assert open_image(path).size == (20_000, 5_000)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (20_000, 1)])
def test_pictures_of_any_shape_are_opened(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "shape.png"
    Image.new("L", size, 255).save(path)
    rgb = as_rgb(open_image(path))
    assert rgb.size == size
    assert rgb.getpixel((0, 0)) == WHITE


# Pictures as arrays, tensors and paths


PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
SHARES = PIXELS / 255


@pytest.mark.parametrize(
    "given",
    [
        PIXELS,
        PIXELS.astype(np.uint16) * 257,
        SHARES,
        SHARES.astype(np.float32),
        SHARES.astype(np.float16),
        torch.from_numpy(PIXELS).permute(2, 0, 1),
        torch.from_numpy(PIXELS.astype(np.uint16) * 257).permute(2, 0, 1),
        torch.from_numpy(SHARES).permute(2, 0, 1),
        torch.from_numpy(SHARES).permute(2, 0, 1).half(),
        torch.from_numpy(SHARES).permute(2, 0, 1).requires_grad_(),
        Image.fromarray(PIXELS),
    ],
    ids=lambda given: f"{type(given).__name__} {getattr(given, 'dtype', '')}",
)
def test_picture_is_the_same_however_it_is_given(given: Any) -> None:
    assert (np.asarray(as_rgb(given)) == PIXELS).all()


def test_short_floats_are_taken() -> None:
    rgb = np.asarray(as_rgb(torch.from_numpy(SHARES).permute(2, 0, 1).bfloat16()), int)
    assert np.abs(rgb - PIXELS).max() <= 1


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 4)])
def test_grey_and_transparent_arrays_are_taken(shape: tuple[int, ...]) -> None:
    array = np.full(shape, 255, np.uint8)
    if shape[-1] in (2, 4):
        array[..., 0], array[..., -1] = 0, 0  # wholly transparent, so that white shows
    assert as_rgb(array).getcolors() == [(35, WHITE)]
    tensor = torch.from_numpy(array)
    assert as_rgb(tensor.permute(2, 0, 1) if array.ndim == 3 else tensor).getcolors() == [(35, WHITE)]


def test_true_and_false_are_white_and_black() -> None:
    rgb = as_rgb(np.array([[True, False]]))
    assert (rgb.getpixel((0, 0)), rgb.getpixel((1, 0))) == (WHITE, (0, 0, 0))


@pytest.mark.parametrize("kind", [str, Path])
def test_path_stands_for_its_picture(kind: type, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    assert (np.asarray(as_rgb(kind(tmp_path / "a.png"))) == PIXELS).all()
    with pytest.raises(ValueError, match="There is no file"):
        as_rgb(kind(tmp_path / "b.png"))


@pytest.mark.parametrize("given", [None, 3, b"a.png", [[0, 1]], ("a.png",)])
def test_what_is_no_picture_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="it must be a PIL image, a path, a numpy array"):
        as_rgb(given)


@pytest.mark.parametrize("shape", [(3,), (0, 4), (4, 0, 3), (5, 7, 5), (1, 3, 5, 7), ()])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    for picture in (np.zeros(shape), torch.zeros(shape)):
        with pytest.raises(ValueError, match="one picture at a time"):
            as_rgb(picture)


# Tensors


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (64, 64)])
def test_round_trip_over_a_tensor_is_exact(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    tensor = to_tensor(Image.fromarray(pixels))
    assert tensor.shape == (3, size[1], size[0])
    assert tensor.dtype == torch.float32
    assert (np.asarray(to_images(tensor[None])[0]) == pixels).all()


def test_every_level_comes_back() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    tensor = to_tensor(Image.fromarray(levels))
    assert (float(tensor.min()), float(tensor.max())) == (-1, 1)
    assert (np.asarray(to_images(tensor[None])[0]) == levels).all()


def test_values_out_of_range_are_clamped() -> None:
    image = to_images(torch.tensor([-7.0, 0.0, 7.0])[None, :, None, None])[0]
    assert image.getpixel((0, 0)) == (0, 128, 255)


def test_batches_give_a_picture_each() -> None:
    images = to_images(torch.stack([torch.full((3, 2, 4), value) for value in (-1.0, 1.0)]))
    assert [image.size for image in images] == [(4, 2), (4, 2)]
    assert images[1].getcolors() == [(8, WHITE)]


# Sizes


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        ((1, 1), (256, 256)),
        ((2, 3), (208, 312)),
        ((3, 2), (312, 208)),
        ((16, 9), (344, 192)),
        ((9, 16), (192, 344)),
        ((4, 5), (232, 288)),
        ((5, 4), (288, 232)),
        ((21, 9), (392, 168)),
        ((9, 21), (168, 392)),
    ],
)
def test_sizes_of_the_published_list(ratio: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitted_size(*ratio, side=256, multiple=8) == expected
    assert fitted_size(ratio[0] * 97, ratio[1] * 97, side=256, multiple=8) == expected


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.sampled_from([64, 256]), st.sampled_from([8, 16]))
def test_fitted_sizes_are_always_ones_that_the_model_takes(width: int, height: int, side: int, multiple: int) -> None:
    if max(width, height) > 4 * min(width, height):
        with pytest.raises(ValueError, match=f"{width}×{height}"):
            fitted_size(width, height, side=side, multiple=multiple)
        return
    fitted = fitted_size(width, height, side=side, multiple=multiple)
    assert checked_size(fitted, side, multiple) == fitted
    assert fitted_size(height, width, side=side, multiple=multiple) == fitted[::-1]


@pytest.mark.parametrize("size", [(401, 100), (100, 401), (20_000, 1)])
def test_extreme_aspect_ratio_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"no side may be more than 4 times the other.*Crop"):
        fitted_size(*size, side=64, multiple=8)


def test_four_to_one_still_works() -> None:
    assert fitted_size(400, 100, side=64, multiple=8) == (128, 32)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(None, (64, 64)), (32, (32, 32)), ((96, 64), (96, 64)), ([8, 16], (8, 16)), (256, (256, 256))],
)
def test_sizes_asked_for(size: Any, expected: tuple[int, int]) -> None:
    assert checked_size(size, 64, 8) == expected


@pytest.mark.parametrize(
    "size",
    [0, -8, 60, True, False, 64.0, "64", (64,), (64, 64, 64), (), (64, 60), (64, 0), (-8, 64), (True, 64), (64.0, 64),
     ("64", "64"), 264, (8, 8200), 2**70, 3.5],
)  # fmt: skip
def test_other_sizes_are_refused(size: Any) -> None:
    with pytest.raises(ValueError, match="size"):
        checked_size(size, 64, 8)


# Crops


def stripes(*colours: str, side: int) -> Image.Image:
    """Square stripes of these colours, side by side."""
    image = Image.new("RGB", (side * len(colours), side))
    for i, colour in enumerate(colours):
        image.paste(colour, (i * side, 0, (i + 1) * side, side))
    return image


@pytest.mark.parametrize("side", [4, 8, 16])
def test_wide_and_tall_pictures_keep_their_middle(side: int) -> None:
    wide = stripes("red", "white", "red", side=16)
    for image in (wide, wide.transpose(Image.Transpose.ROTATE_90)):
        middle = middle_square(image, side, Image.Resampling.LANCZOS)
        assert middle.size == (side, side)
        assert np.asarray(middle)[1:-1, 1:-1].min() > 250  # the filter reaches a little beyond the border


def test_square_picture_is_scaled_and_not_cropped() -> None:
    quarters = stripes("red", "white", side=8).resize((16, 16), Image.Resampling.NEAREST)
    half = middle_square(quarters, 8, Image.Resampling.LANCZOS)
    assert half.size == (8, 8)
    assert (half.getpixel((0, 4)), half.getpixel((7, 4))) == (RED, WHITE)


def test_picture_of_the_size_wanted_is_not_touched() -> None:
    image = stripes("red", side=8)
    assert middle_square(image, 8, Image.Resampling.LANCZOS) is image
