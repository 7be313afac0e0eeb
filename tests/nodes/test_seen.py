"""Heatmap and mask: of the picture's own size, over the part that the model looks at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from node_runs import run

from nodes.seen import Seen
from nodes.values import Model

MAPS = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])


def model(has_fixed_size: bool) -> Any:
    return SimpleNamespace(pipeline=SimpleNamespace(flow=SimpleNamespace(has_fixed_size=has_fixed_size)))


def test_whole_picture_is_seen_where_the_model_takes_any_size() -> None:
    assert Seen.of(model(False), torch.zeros(1, 6, 10, 3), (1, 1)) == Seen((10, 6), (0, 0, 10, 6))


def test_middle_square_is_seen_where_the_model_has_one_size() -> None:
    assert Seen.of(model(True), torch.zeros(1, 6, 10, 3), (1, 1)) == Seen((10, 6), (2, 0, 8, 6))


def test_latent_is_seen_whole() -> None:
    assert Seen.of(model(True), None, (32, 24)) == Seen((32, 24), (0, 0, 32, 24))


def test_mask_lies_where_the_map_does_and_is_smooth() -> None:
    mask = Seen((10, 6), (2, 0, 8, 6)).mask(MAPS)
    assert mask.shape == (1, 6, 10)
    assert mask[0, 0, 7] == 1  # the map's upper right
    assert mask[0, :, :2].max() == mask[0, :, 8:].max() == 0  # unseen
    steps = mask[0, 0, 2:8].diff()
    assert (steps >= 0).all()
    assert steps.max() < 0.5  # no edge


def test_mask_keeps_its_scale() -> None:
    assert Seen((10, 6), (2, 0, 8, 6)).mask(MAPS / 4).max() == 0.25


def test_heatmap_keeps_tokens_as_squares_and_unseen_black() -> None:
    image = Seen((10, 6), (2, 0, 8, 6)).heatmaps(list(MAPS))
    assert image.shape == (1, 6, 10, 3)
    assert (image[0, :3, 5:8] == image[0, 0, 7]).all()
    assert (image[0, :, :5] != image[0, 0, 7]).any(dim=-1).all()
    assert image[0, :, 8:].max() == 0


@pytest.mark.parametrize(("height", "width"), [(768, 768), (300, 460)])
def test_maps_have_the_pictures_own_size(height: int, width: int) -> None:
    starflow, encoder, _ = run("Loader", model="starflow-mini")
    text = run("TextEncode", text_encoder=encoder, text="")
    image = torch.rand(1, height, width, 3, generator=torch.Generator().manual_seed(0))
    _, _, heatmap, mask, *_ = run("Likelihood", model=starflow, image=image, conditioning=text, draws=1)
    assert heatmap.shape == (1, height, width, 3)
    assert mask.shape == (1, height, width)
    assert 0 <= mask.min() <= mask.max() <= 1


def test_map_of_a_batch_has_one_scale_of_colours() -> None:
    tarflow: Model = run("Loader", model="tarflow-mini")[0]
    images = torch.stack([torch.ones(32, 32, 3), torch.rand(32, 32, 3, generator=torch.Generator().manual_seed(0))])
    both = run("Likelihood", model=tarflow, image=images, draws=1)[2]
    alone = run("Likelihood", model=tarflow, image=images[:1], draws=1)[2]
    assert (both[0] != alone[0]).any()
    assert both[0].mean(dim=(0, 1))[0] > both[1].mean(dim=(0, 1))[0]  # white is likelier than noise: more yellow
