from __future__ import annotations

import numpy as np
import pytest
import torch

from starflow_core.insight.heatmap import STOPS, heatmap, value_range


def test_least_and_most_likely_get_the_ends_of_the_colours() -> None:
    picture = heatmap(torch.tensor([[-5.0, 1.0], [-2.0, 3.0]]), (2, 2))
    assert picture.mode == "RGB"
    assert picture.getpixel((0, 0)) == STOPS[0]
    assert picture.getpixel((1, 1)) == STOPS[-1]


def test_middle_of_the_range_gets_the_middle_colour() -> None:
    picture = heatmap(torch.tensor([[0.0, 1.0, 2.0]]), (3, 1))
    assert picture.getpixel((1, 0)) == STOPS[2]


def test_map_is_enlarged_in_whole_tokens() -> None:
    pixels = np.asarray(heatmap(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), (16, 8)))
    assert pixels.shape == (8, 16, 3)
    assert (pixels[:4, :8] == pixels[0, 0]).all()
    assert (pixels[4:, 8:] == pixels[-1, -1]).all()


def test_orientation_is_rows_from_the_top() -> None:
    picture = heatmap(torch.tensor([[0.0, 0.0, 1.0]]), (30, 10))
    assert picture.getpixel((29, 0)) == STOPS[-1]
    assert picture.getpixel((0, 9)) == STOPS[0]


@pytest.mark.parametrize("value", [0.0, -1e30, 7.5])
def test_constant_map_is_of_one_middle_colour(value: float) -> None:
    picture = heatmap(torch.full((2, 3), value), (6, 4))
    assert picture.getcolors() == [(24, STOPS[2])]


def test_single_token_works() -> None:
    assert heatmap(torch.zeros(1, 1), (5, 5)).size == (5, 5)


def test_half_precision_works() -> None:
    picture = heatmap(torch.tensor([[0.0, 1.0]], dtype=torch.bfloat16), (2, 1))
    assert picture.getpixel((1, 0)) == STOPS[-1]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_do_not_spoil_the_picture(value: float) -> None:
    picture = heatmap(torch.tensor([[0.0, value, 1.0, 2.0]]), (4, 1))
    assert picture.getpixel((0, 0)) == STOPS[0]
    assert picture.getpixel((3, 0)) == STOPS[-1]


def test_a_common_range_makes_pictures_comparable() -> None:
    maps = [torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 2.0]])]
    between = value_range(maps)
    assert between == (0.0, 2.0)
    first, second = (heatmap(one, (2, 1), between) for one in maps)
    assert first.getpixel((0, 0)) == STOPS[0]
    assert first.getpixel((1, 0)) == second.getpixel((0, 0)) == STOPS[2]
    assert second.getpixel((1, 0)) == STOPS[-1]


def test_values_beyond_the_range_get_its_ends() -> None:
    picture = heatmap(torch.tensor([[-9.0, 9.0]]), (2, 1), (0.0, 1.0))
    assert (picture.getpixel((0, 0)), picture.getpixel((1, 0))) == (STOPS[0], STOPS[-1])


def test_range_of_no_numbers_is_none() -> None:
    assert value_range([torch.tensor([[float("nan")]])]) == (0.0, 0.0)
