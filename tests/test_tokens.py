from __future__ import annotations

import pytest
import torch
from tiny import randn

from starflow_core.tokens import patchify, unpatchify


@pytest.mark.parametrize("patch_size", [1, 2])
def test_unpatchify_undoes_patchify(patch_size: int) -> None:
    x = randn(2, 3, 4, 6)
    assert torch.equal(unpatchify(patchify(x, patch_size), (4 // patch_size, 6 // patch_size), patch_size), x)


def test_tokens_are_in_raster_order_with_channels_last() -> None:
    x = randn(1, 3, 4, 6)
    tokens = patchify(x, 2)
    assert tokens.shape == (1, 6, 12)
    row, column = 1, 2
    patch = x[0, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
    assert torch.equal(tokens[0, row * 3 + column], patch.permute(1, 2, 0).flatten())
