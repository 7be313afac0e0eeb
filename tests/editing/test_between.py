from __future__ import annotations

import pytest
import torch

from starflow_core.editing.between import condition_between, spherical
from starflow_core.flow.noise import seeded_noise


def test_way_on_the_sphere_keeps_the_length_and_turns_evenly() -> None:
    first, second = seeded_noise((4, 20, 20), 0, 2)
    angle = torch.arccos((first * second).sum() / first.norm() / second.norm())
    for share in (0.25, 0.5, 0.75):
        between = spherical(first, second, share)
        length = (1 - share) * first.norm() + share * second.norm()
        torch.testing.assert_close(between.norm(), length)
        turned = torch.arccos((first * between).sum() / first.norm() / between.norm())
        assert float(turned) == pytest.approx(share * float(angle), abs=1e-3)


def test_ends_are_returned_bit_by_bit() -> None:
    first, second = seeded_noise((2, 3, 3), 0, 2)
    assert torch.equal(spherical(first, second, 0), first)
    assert torch.equal(spherical(first, second, 1), second)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, 0.0])
def test_noises_on_one_line_are_joined_by_it(factor: float) -> None:
    noise = seeded_noise((2, 3, 3), 0, 1)[0]
    torch.testing.assert_close(spherical(noise, factor * noise, 0.5), (1 + factor) / 2 * noise)


def test_prompts_are_mixed_and_classes_are_not() -> None:
    first, second = torch.zeros(1, 2, 3), torch.ones(1, 2, 3)
    assert torch.equal(condition_between(first, second, 0.25), torch.full((1, 2, 3), 0.25))  # type: ignore[arg-type]
    labels = torch.tensor([3]), torch.tensor([5])
    assert [int(condition_between(*labels, share)) for share in (0, 0.4, 0.6, 1)] == [3, 3, 5, 5]  # type: ignore[arg-type]
    assert condition_between(None, None, 0.5) is None
