"""What is black and what white: by type and by what a file says, and never by the brightest pixel."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, TiffImagePlugin

from starflow_core.images import as_rgb, open_image
from starflow_core.levels import Levels, levels_of_dtype, to_8_bit


def greys(image: Any) -> list[int]:
    """The grey levels of a picture's first row."""
    rgb = np.asarray(as_rgb(image))
    assert (rgb[..., 0] == rgb[..., 1]).all()
    assert (rgb[..., 0] == rgb[..., 2]).all()
    row: list[int] = rgb[0, :, 0].tolist()
    return row


def saved(path: Path, array: np.ndarray, **tags: Any) -> Path:
    """A grey picture as a file, with tags where it is TIFF."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in ((int(name[1:]), value) for name, value in tags.items()):
        info[tag] = value
        if isinstance(value, float):
            info.tagtype[tag] = 11
    options: dict[str, Any] = {"tiffinfo": info} if tags else {}
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("brightest", [200, 254, 255, 256, 257, 65535])
@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm", "jp2"])
def test_16_bits_have_the_same_scale_however_dark_they_are(tmp_path: Path, suffix: str, brightest: int) -> None:
    array = np.full((8, 8), brightest, np.uint16)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(array).save(path)
    expected = [round(brightest / 257)] * 8
    assert greys(path) == greys(open_image(path)) == greys(array) == greys(Image.fromarray(array)) == expected
    with Image.open(path) as opened:
        assert greys(opened) == expected


def test_one_bright_pixel_changes_no_other() -> None:
    for dtype, white in ((np.uint16, 65535), (np.float32, 1.0)):
        ramp = np.linspace(0, white, 256).astype(dtype)[None]
        dark = ramp // 2 if dtype is np.uint16 else ramp / 2
        with_light = np.concatenate([dark, np.full((1, 1), white, dtype)], axis=1)
        assert greys(dark) == greys(with_light)[:-1]
        assert np.mean(greys(ramp)) == pytest.approx(127.5, abs=0.01)


def test_ramp_that_overshoots_by_rounding_keeps_its_scale() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
    ramp[0, -1] = 1.0001
    assert np.mean(greys(ramp)) == pytest.approx(127.5, abs=0.01)
    assert greys(Image.fromarray(ramp)) == greys(ramp) == greys(torch.from_numpy(ramp)) == list(range(256))


@pytest.mark.parametrize("array", [np.array([[0, 255.0]]), np.array([[-0.1, 1.0]]), np.array([[0.0, 1.006]])])
def test_floats_beyond_black_and_white_are_refused(array: np.ndarray) -> None:
    for given in (array, torch.from_numpy(array), Image.fromarray(array.astype(np.float32))):
        with pytest.raises(ValueError, match=r"go from .* to .* between 0 \(black\) and 1 \(white\)\. Divide"):
            as_rgb(given)


def test_floats_beyond_by_less_than_a_grey_level_are_rounded() -> None:
    assert greys(np.array([[-0.003, 0.5, 1.003]])) == [0, 128, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(tmp_path: Path, value: float) -> None:
    array = np.array([[0, 0.5, value]], np.float32)
    for given in (array, torch.from_numpy(array), Image.fromarray(array)):
        with pytest.raises(ValueError, match="NaN or infinite"):
            as_rgb(given)
    with pytest.raises(ValueError, match=r"a\.tiff: .*NaN or infinite"):
        open_image(saved(tmp_path / "a.tiff", array))


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.complex64])
def test_numbers_without_a_white_are_refused(dtype: Any) -> None:
    array = np.array([[0, 200]]).astype(dtype)
    with pytest.raises(ValueError, match="nothing says which of them is white"):
        as_rgb(array)
    with pytest.raises(ValueError, match="nothing says which of them is white"):
        as_rgb(torch.from_numpy(array))


def test_whole_numbers_in_memory_and_in_a_file_without_levels_are_refused(tmp_path: Path) -> None:
    array = np.array([[0, 200]], np.int32)
    with pytest.raises(ValueError, match="uint16"):
        as_rgb(Image.fromarray(array))
    with pytest.raises(ValueError, match=r"a\.tiff: .*uint16"):
        open_image(saved(tmp_path / "a.tiff", array))


@pytest.mark.parametrize(
    ("array", "tags", "expected"),
    [
        (np.array([[0, 500, 1000]], np.int32), {"_340": 0.0, "_341": 1000.0}, [0, 128, 255]),
        (np.array([[-100, 0, 100]], np.int32), {"_340": -100.0, "_341": 100.0}, [0, 128, 255]),
        (np.array([[0, 2000, 4000]], np.uint16), {"_341": 4000.0}, [0, 128, 255]),
        (np.array([[0, 128, 255]], np.float32), {"_340": 0.0, "_341": 255.0}, [0, 128, 255]),
        (np.array([[0, 0.5, 1]], np.float32), {}, [0, 128, 255]),
        (np.array([[0, 2048, 4095]], np.uint16), {"_281": 4095}, [0, 128, 255]),
        (np.array([[0, 100, 200]], np.uint16), {"_281": 200}, [0, 0, 1]),  # a statistic of a dark frame
        (np.array([[0, 100, 255]], np.uint16), {"_281": 255}, [0, 0, 1]),
        (np.array([[0, 2000, 4000]], np.uint16), {"_281": 4000}, [0, 8, 16]),  # no number of bits
    ],
)
def test_tiff_says_what_is_black_and_white(
    tmp_path: Path, array: np.ndarray, tags: dict[str, Any], expected: list[int]
) -> None:
    path = saved(tmp_path / "a.tiff", array, **tags)
    assert greys(path) == expected
    with Image.open(path) as opened:
        assert greys(opened) == expected


def test_tiff_with_levels_in_a_wrong_order_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tiff", np.zeros((1, 2), np.uint16), _340=9.0, _341=9.0)
    with pytest.raises(ValueError, match="its numbers go from 9 to 9"):
        open_image(path)


def tiff(bits: int, photometric: int, sample_format: int, pixels: bytes, width: int) -> bytes:
    """A TIFF of one row, as Pillow does not write it."""
    entries = [
        *((256, 3, width), (257, 3, 1), (258, 3, bits), (259, 3, 1), (262, 3, photometric)),
        *((273, 4, 0), (277, 3, 1), (278, 3, 1), (279, 4, len(pixels)), (339, 3, sample_format)),
    ]
    offset = 8 + 2 + 12 * len(entries) + 4
    directory = b"".join(
        struct.pack("<HHII", tag, kind, 1, offset if tag == 273 else value) for tag, kind, value in entries
    )
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + pixels


@pytest.mark.parametrize(
    ("bits", "photometric", "sample_format", "pixels", "expected"),
    [
        (16, 1, 1, np.array([0, 65535], "<u2").tobytes(), [0, 255]),
        (16, 0, 1, np.array([0, 65535], "<u2").tobytes(), [255, 0]),
        (32, 0, 3, np.array([0, 0.2], "<f4").tobytes(), [255, 204]),
        (12, 1, 1, bytes([0x00, 0x0F, 0xFF]), [0, 255]),
        (32, 1, 1, np.array([2**31, 2**32 - 1], "<u4").tobytes(), [128, 255]),
    ],
    ids=["16 bits", "white is zero", "floats, white is zero", "12 bits", "32 bits"],
)
def test_kind_of_tiff_says_its_scale(
    bits: int, photometric: int, sample_format: int, pixels: bytes, expected: list[int]
) -> None:
    image = Image.open(io.BytesIO(tiff(bits, photometric, sample_format, pixels, 2)))
    assert greys(image) == expected


def test_rotation_of_a_deep_picture_is_carried_out(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    array = np.zeros((2, 4), np.uint16)
    array[0, 0] = 65535
    Image.fromarray(array).save(tmp_path / "a.png", exif=exif)
    for given in (tmp_path / "a.png", open_image(tmp_path / "a.png"), Image.open(tmp_path / "a.png")):
        rgb = as_rgb(given)
        assert rgb.size == (2, 4)
        assert rgb.getpixel((1, 0)) == (255, 255, 255)


def test_levels_of_types() -> None:
    assert levels_of_dtype(np.dtype(np.uint32)) == Levels(0, 2**32 - 1)
    assert levels_of_dtype(np.dtype(np.float64)) == Levels(0, 1)
    assert to_8_bit(np.array([0, 5, 10]), Levels(10, 0)).tolist() == [255, 128, 0]
