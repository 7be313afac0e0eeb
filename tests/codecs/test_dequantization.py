from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from starflow_core.codecs.dequantization import dequantized, quantized, requantized
from starflow_core.images import to_images, to_tensor

LEVELS = torch.arange(256.0)
PICTURE = LEVELS / 127.5 - 1  # every 8-bit value, as pictures have them in [−1, 1]
# The largest step below 1 that float32 keeps apart from the next value all over [−1, 1].
LARGEST = 1 - 2**-15


def test_levels_of_a_picture_are_its_8_bit_values() -> None:
    assert torch.equal(quantized(PICTURE), LEVELS)


def test_levels_are_those_of_the_pictures_that_are_read() -> None:
    image = Image.frombytes("RGB", (16, 16), bytes(range(256)) * 3)
    pixels = torch.tensor(list(image.tobytes())).view(16, 16, 3).permute(2, 0, 1)
    assert torch.equal(quantized(to_tensor(image)), pixels.float())


def test_values_between_and_beyond_go_to_the_nearest_level() -> None:
    assert quantized(torch.tensor([-2.0, -1.001, 0.001, 1.001, 9.0])).tolist() == [0, 0, 128, 255, 255]
    assert quantized(PICTURE + 0.4 / 127.5).tolist() == [*range(256)]


def test_levels_are_spread_over_their_steps() -> None:
    x = dequantized(PICTURE, torch.full((256,), 0.5))
    torch.testing.assert_close(x, (LEVELS + 0.5) / 128 - 1)
    assert x.min() > -1
    assert x.max() < 1


@given(st.floats(0, LARGEST, width=32))
def test_every_value_comes_back_whatever_the_noise(u: float) -> None:
    x = dequantized(PICTURE, torch.full((256,), u))
    assert torch.equal(quantized(requantized(x)), LEVELS)
    torch.testing.assert_close(requantized(x), PICTURE, rtol=0, atol=1e-6)


def test_largest_noise_that_is_drawn_stays_in_its_step() -> None:
    """`torch.rand` draws multiples of 2⁻²⁴, up to 1 − 2⁻²⁴."""
    x = dequantized(PICTURE, torch.full((256,), 1 - 2**-24))
    assert torch.equal(quantized(requantized(x)), LEVELS)


@pytest.mark.parametrize(("x", "expected"), [(-3.0, -1.0), (-1.0, -1.0), (0.99999, 1.0), (1.0, 1.0), (5.0, 1.0)])
def test_what_a_flow_draws_beyond_the_range_is_clamped(x: float, expected: float) -> None:
    assert requantized(torch.tensor(x)).item() == pytest.approx(expected)


def test_requantized_pictures_are_saved_as_their_levels() -> None:
    x = dequantized(PICTURE, torch.full((256,), 0.7)).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    (image,) = to_images(requantized(x))
    assert list(image.getchannel(0).tobytes()) == list(range(256))
