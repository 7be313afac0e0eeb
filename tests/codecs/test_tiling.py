from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from tiny import randn
from torch import Tensor

from starflow_core.codecs.tiling import blend_tiles


def enlarge(latents: Tensor, factor: int = 2) -> Tensor:
    """A decoder that looks at one latent at a time."""
    return F.interpolate(latents, scale_factor=factor, mode="nearest").sin() + 2


@given(st.integers(1, 21), st.integers(1, 21), st.integers(4, 12), st.sampled_from([1, 2, 3]))
def test_decoder_of_single_latents_is_tiled_exactly(height: int, width: int, tile: int, factor: int) -> None:
    latents = randn(2, 3, height, width)
    result = blend_tiles(lambda part: enlarge(part, factor), latents, tile=tile, factor=factor)
    torch.testing.assert_close(result, enlarge(latents, factor))


def test_no_tile_is_larger_than_asked() -> None:
    sizes = set()

    def decode(latents: Tensor) -> Tensor:
        sizes.add(tuple(latents.shape[-2:]))
        return enlarge(latents)

    blend_tiles(decode, randn(1, 3, 21, 6), tile=8, factor=2)
    assert sizes == {(8, 6)}


@pytest.mark.parametrize("size", [14, 20, 21])
def test_tiles_of_different_brightness_fade_into_each_other(size: int) -> None:
    """The worst seam: neighbouring tiles differ by 1. The step between pixels stays that of a fade over the overlap."""
    calls = 0

    def decode(latents: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return torch.full((1, 1, *(4 * side for side in latents.shape[-2:])), float(calls % 2))

    image = blend_tiles(decode, torch.zeros(1, 1, 8, size), tile=8, factor=4)
    overlap = 8 // 4 * 4
    assert calls > 1
    assert image.max() == 1
    assert image.min() == 0
    assert image.diff(dim=-1).abs().max() <= 1 / overlap * (1 + 1e-5)
    assert image.diff(dim=-2).abs().max() == 0


def test_tile_too_small_to_overlap_is_refused() -> None:
    with pytest.raises(ValueError, match="tile is 3; it must be 4 or more"):
        blend_tiles(enlarge, randn(1, 3, 8, 8), tile=3, factor=2)
