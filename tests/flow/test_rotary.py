from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import HERE, TINY, randn
from torch import Tensor

from starflow_core.flow.config import StarFlowConfig
from starflow_core.flow.rotary import Rotary, rotary_table

TEXTLESS = dataclasses.replace(TINY, txt_size=0, head_dim=8, img_size=8)
WITH_TEXT = dataclasses.replace(TINY, channels=48, head_dim=24, img_size=8)


def turned(rotary: Rotary, x: Tensor) -> Tensor:
    """x (B, N, heads, head_dim) turned as queries and keys are."""
    queries, keys, values = rotary.rotate(torch.stack([x, x, x], dim=2)).unbind(2)
    assert torch.equal(queries, keys)
    assert torch.equal(values, x)
    return queries


def directions(rotary: Rotary, head_dim: int) -> Tensor:
    """Where each position turns (1, 0) to, as complex numbers (positions, angles)."""
    x = torch.tensor([1.0, 0.0]).repeat(head_dim // 2).expand(1, len(rotary), 1, -1)
    return torch.view_as_complex(turned(rotary, x)[0, :, 0].unflatten(-1, (-1, 2)).contiguous())


def unit(angles: list[float]) -> Tensor:
    return torch.polar(torch.ones(len(angles)), torch.tensor(angles))


def test_rotation_preserves_norms() -> None:
    x = randn(2, 19, 2, 24)
    rotated = turned(rotary_table(WITH_TEXT, (3, 5), 4, **HERE), x)
    torch.testing.assert_close(rotated.norm(dim=-1), x.norm(dim=-1))
    assert not torch.allclose(rotated[:, 1:], x[:, 1:])


def test_rotation_turns_neighbouring_features() -> None:
    rotary = rotary_table(WITH_TEXT, (3, 5), 4, **HERE)
    x = randn(1, 19, 1, 24)
    pairs = torch.view_as_complex(x[0, :, 0].unflatten(-1, (-1, 2)))
    expected = torch.view_as_real(pairs * directions(rotary, 24)).flatten(-2)
    torch.testing.assert_close(turned(rotary, x)[0, :, 0], expected)


def test_no_text_leaves_all_angles_to_rows_and_columns() -> None:
    rotary = rotary_table(TEXTLESS, (8, 8), 0, **HERE)  # the trained grid: positions are not rescaled
    for row, column in [(0, 0), (3, 5), (7, 1)]:
        expected = unit([row, row * 0.01, column, column * 0.01])  # 10000^(-2k/4) for k = 0, 1
        torch.testing.assert_close(directions(rotary, 8)[row * 8 + column], expected)


def test_text_takes_eight_angles_from_rows_and_columns() -> None:
    rotary = rotary_table(WITH_TEXT, (8, 8), 4, **HERE)
    row, column = 3, 5
    expected = unit([row, row * 0.01, column, column * 0.01] + [0.0] * 8)
    torch.testing.assert_close(directions(rotary, 24)[4 + row * 8 + column], expected)


def test_text_positions_turn_the_last_eight_angles_only() -> None:
    result = directions(rotary_table(WITH_TEXT, (2, 2), 4, **HERE), 24)
    for k in range(4):
        time = k / 4 * WITH_TEXT.trained_side
        expected = unit([0.0] * 4 + [time * 10_000 ** (-j / 8) for j in range(8)])
        torch.testing.assert_close(result[k], expected)


def test_image_positions_do_not_depend_on_the_text() -> None:
    without, behind = rotary_table(WITH_TEXT, (3, 5), 0, **HERE), rotary_table(WITH_TEXT, (3, 5), 4, **HERE)
    assert torch.equal(directions(without, 24), directions(behind, 24)[4:])


@pytest.mark.parametrize("config", [TEXTLESS, WITH_TEXT], ids=["textless", "with text"])
def test_attention_sees_relative_positions_only(config: StarFlowConfig) -> None:
    rotary = rotary_table(config, (4, 6), 0, **HERE)
    query, key = (randn(1, 1, 1, config.head_dim, seed=seed).expand(1, 24, 1, -1) for seed in (1, 2))
    products = turned(rotary, query)[0, :, 0] @ turned(rotary, key)[0, :, 0].T
    products = products.reshape(4, 6, 4, 6)
    # The same step of (1, 2) from anywhere gives the same product; other steps give others.
    steps = torch.stack([products[i, j, i + 1, j + 2] for i in range(3) for j in range(4)])
    torch.testing.assert_close(steps, steps[:1].expand_as(steps), rtol=1e-4, atol=1e-4)
    assert not torch.isclose(products[0, 0, 1, 2], products[0, 0, 2, 1], rtol=1e-2)
    assert not torch.isclose(products[0, 0, 1, 2], products[1, 2, 0, 0], rtol=1e-2)


@pytest.mark.parametrize("grid", [(8, 8), (4, 16), (16, 4), (6, 10), (16, 16)])
@pytest.mark.parametrize("config", [TEXTLESS, WITH_TEXT], ids=["textless", "with text"])
def test_any_grid_covers_the_trained_area(config: StarFlowConfig, grid: tuple[int, int]) -> None:
    rows, columns = grid
    result = directions(rotary_table(config, grid, 0, **HERE), config.head_dim).angle()
    # The first frequency of rows and of columns is 1, so that the first step's angle is the spacing.
    down, right = result[columns, 0].item(), result[1, 2].item()
    assert down == pytest.approx(right)
    assert down * rows * right * columns == pytest.approx(config.trained_side**2, rel=1e-4)


def test_trained_length_may_differ_from_the_grid() -> None:
    config = dataclasses.replace(TEXTLESS, pt_seq_len=4)
    assert directions(rotary_table(config, (8, 8), 0, **HERE), 8)[8, 0].angle().item() == pytest.approx(0.5)


def test_table_is_sliced_by_position() -> None:
    rotary = rotary_table(WITH_TEXT, (3, 5), 4, **HERE)
    x = randn(1, 19, 2, 24)
    assert len(rotary) == 19
    assert len(rotary[2:7]) == 5
    assert torch.equal(turned(rotary[2:7], x[:, 2:7]), turned(rotary, x)[:, 2:7])


def test_table_has_the_dtype_wanted() -> None:
    rotary = rotary_table(WITH_TEXT, (2, 2), 1, device=torch.device("cpu"), dtype=torch.bfloat16)
    assert rotary.cos.dtype == rotary.sin.dtype == torch.bfloat16


def test_blocks_and_calls_share_a_table_that_takes_gradients() -> None:
    with torch.inference_mode():
        first = rotary_table(WITH_TEXT, (3, 5), 2, **HERE)
    assert rotary_table(WITH_TEXT, (3, 5), 2, **HERE) is first
    qkv = torch.ones(1, 17, 3, 1, WITH_TEXT.head_dim, requires_grad=True)
    first.rotate(qkv).sum().backward()
    assert qkv.grad is not None
