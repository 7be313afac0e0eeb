"""Values that come along wires are checked as those that are filled in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from node_runs import BY_ID, run

from nodes.catalogue import NODES
from nodes.declaration import Choice, Field, Flag, Input, Number, Seed, Socket, Text
from nodes.local_host import LocalHost
from nodes.values import Model

WRONG: dict[type[Field], list[Any]] = {
    Number: [float("nan"), float("inf"), "3", None, True, [1]],
    Seed: [-1, 2**64, 0.5, float("nan"), "3", None, True],
    Text: [None, 3, b"text", "x" * 10_001],
    Flag: [None, 0, "true"],
    Choice: ["nobody", None, 3],
}
FIELDS = [(node, given) for node in NODES for given in node.inputs if not isinstance(given.field, Socket)]


def wrong(field: Field) -> list[Any]:
    """Values that a field may not have."""
    beyond = [field.least - 1, field.most + 1] if isinstance(field, Number) else []
    return [*WRONG[type(field)], *beyond]


@pytest.mark.parametrize(("node", "given"), FIELDS, ids=[f"{node.id}.{given.name}" for node, given in FIELDS])
def test_every_field_is_checked_whatever_comes_along_its_wire(node: Any, given: Input) -> None:
    sockets = {each.name: None for each in node.inputs if isinstance(each.field, Socket)}
    for value in wrong(given.field):
        with pytest.raises(ValueError, match=f"^{given.label.capitalize()} (is|has) "):
            node(LocalHost(device="cpu"), **sockets | {given.name: value})


def test_linked_batch_of_nothing_is_told(starflow: tuple[Model, Any]) -> None:
    with pytest.raises(ValueError, match="Batch size is 0, and must be a whole number from 1 to 64"):
        run("Sampler", model=starflow[0], batch_size=0)


@pytest.mark.parametrize(("value", "expected"), [(np.int64(3), 3), (np.float32(3.0), 3), (3.0, 3), (3, 3)])
def test_numbers_of_numpy_are_numbers(value: Any, expected: int) -> None:
    field = Number("", 1, 64, 1)
    assert field.checked(value) == expected
    assert type(field.checked(value)) is int
    assert type(Seed().checked(value)) is int


@pytest.mark.parametrize(
    "image", [None, "cat.png", torch.zeros(0, 64, 64, 3), torch.zeros(64, 64, 3), torch.zeros(1, 0, 64, 3)]
)
def test_images_that_hold_no_picture_are_told(starflow: tuple[Model, Any], image: Any) -> None:
    with pytest.raises(ValueError, match="it must be one or more pictures"):
        run("Encode", model=starflow[0], image=image)


def test_grey_pictures_are_taken(starflow: tuple[Model, Any]) -> None:
    grey = torch.rand(1, 64, 64, 1, generator=torch.Generator().manual_seed(0))
    found, expected = (
        run("Encode", model=starflow[0], image=image)["samples"] for image in (grey, grey.expand(1, 64, 64, 3))
    )
    assert torch.equal(found, expected)


@pytest.mark.parametrize("latent", ["x", {}, {"samples": None}, torch.zeros(1, 16, 8, 8)])
def test_latents_without_samples_are_told(starflow: tuple[Model, Any], latent: Any) -> None:
    with pytest.raises(ValueError, match="without samples; connect that of STARFlow Encode"):
        run("Decode", model=starflow[0], latent=latent)


@pytest.mark.parametrize("shape", [(0, 16, 8, 8), (1, 16, 0, 8), (16, 8, 8), (1, 4, 8, 8)])
def test_latents_of_other_shapes_are_told(starflow: tuple[Model, Any], shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"starflow-mini takes \(B, 16, H, W\)"):
        run("Decode", model=starflow[0], latent={"samples": torch.ones(shape)})


def test_every_node_is_known_by_its_id() -> None:
    assert len(BY_ID) == len(NODES)
