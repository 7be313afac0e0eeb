from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from tiny import TINIES, TINY, TINY_TARFLOW, randn

from starflow_core.flow.tokens import patchify, unpatchify


@pytest.mark.parametrize("patch_size", [1, 2])
@pytest.mark.parametrize("kind", TINIES)
def test_unpatchify_undoes_patchify(kind: str, patch_size: int) -> None:
    config = dataclasses.replace(TINIES[kind], patch_size=patch_size)
    x = randn(2, 3, 4, 6)
    assert torch.equal(unpatchify(patchify(x, config), (4 // patch_size, 6 // patch_size), config), x)


@pytest.mark.parametrize("kind", TINIES)
def test_tokens_are_in_raster_order_with_channels_where_the_kind_has_them(kind: str) -> None:
    x = randn(1, 3, 4, 6)
    tokens = patchify(x, dataclasses.replace(TINIES[kind], patch_size=2))
    assert tokens.shape == (1, 6, 12)
    row, column = 1, 2
    patch = x[0, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
    inside = patch.permute(1, 2, 0) if kind == "starflow" else patch
    assert torch.equal(tokens[0, row * 3 + column], inside.flatten())


def test_tokens_of_a_tarflow_are_those_of_unfold() -> None:
    x = randn(2, 3, 8, 8)
    assert torch.equal(patchify(x, TINY_TARFLOW), F.unfold(x, 2, stride=2).mT)


def test_tokens_of_one_latent_are_its_channels() -> None:
    x = randn(2, 3, 4, 6)
    assert torch.equal(patchify(x, TINY), x.flatten(2).mT)
