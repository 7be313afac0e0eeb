"""Noise on its way through a LATENT: what keeps it, what breaks it, what refuses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from node_runs import run
from torch import Tensor

from nodes import noise_mark
from nodes.values import NOISE_OF, Latent, Model

OWNER = "starflow-mini"
KEPT: dict[str, Callable[[Tensor], Tensor]] = {
    "choose": lambda z: z[1:2],
    "repeat": lambda z: z.repeat(3, 1, 1, 1),
    "turn": lambda z: z.rot90(1, (2, 3)),
    "mirror": lambda z: z.flip(3),
    "cut": lambda z: z[..., 2:6, :4],
    "lie elsewhere in memory": lambda z: z.movedim(1, -1).contiguous().movedim(-1, 1),
    "double precision": lambda z: z.double(),
}
BROKEN: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "blend": lambda z, other: 0.5 * z + 0.5 * other,
    "add": lambda z, other: z + other,
    "subtract": lambda z, other: z - other,
    "multiply": lambda z, other: 0.9 * z,
    "upscale": lambda z, other: torch.nn.functional.interpolate(z, scale_factor=2.0, mode="bilinear"),
    "round": lambda z, other: z.half().float(),
    "one value": lambda z, other: z.index_fill(1, torch.tensor([0]), 0.0),
    "a later value": lambda z, other: z.index_fill(1, torch.tensor([15]), 0.0),
}


def noise(seed: int = 0) -> Tensor:
    return torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("change", KEPT.values(), ids=KEPT)
def test_mark_survives_what_computes_no_new_values(change: Callable[[Tensor], Tensor]) -> None:
    z = noise()
    found = change(noise_mark.marked(z, OWNER))
    assert noise_mark.is_marked(found)
    assert noise_mark.is_of(found, OWNER)
    assert not noise_mark.is_of(found, "another")
    assert noise_mark.is_intact(found)
    assert torch.equal(noise_mark.unmarked(found), change(z))


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_mark_breaks_where_new_values_are_computed(change: Callable[[Tensor, Tensor], Tensor]) -> None:
    found = change(noise_mark.marked(noise(0), OWNER), noise_mark.marked(noise(1), OWNER))
    assert not (noise_mark.is_marked(found) and noise_mark.is_intact(found))


@pytest.mark.parametrize(
    "samples", [noise(), torch.zeros(1, 18, 8, 8), torch.ones(1, 6, 4, 4), torch.zeros(0, 18, 8, 8)]
)
def test_other_latents_have_no_mark(samples: Tensor) -> None:
    assert not noise_mark.is_marked(samples)


@pytest.fixture(scope="module")
def inverted(starflow: tuple[Model, Any]) -> Latent:
    model, encoder = starflow
    image = torch.rand(2, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    found: Latent = run("Invert", model=model, image=image, conditioning=run("TextEncode", text_encoder=encoder))
    return found


def test_noise_comes_back_from_a_file_that_holds_its_samples_alone(
    starflow: tuple[Model, Any], inverted: Latent
) -> None:
    model, encoder = starflow
    settings = {"model": model, "positive": run("TextEncode", text_encoder=encoder), "guidance": 0.0}
    expected = run("Sampler", **settings, noise=inverted)["samples"]
    loaded = {"samples": inverted["samples"].clone()}  # as Load Latent has it
    torch.testing.assert_close(run("Sampler", **settings, noise=loaded)["samples"], expected, rtol=0, atol=0)


@pytest.mark.parametrize("keeps_name", [True, False])
def test_blended_noise_is_refused_by_name(starflow: tuple[Model, Any], inverted: Latent, keeps_name: bool) -> None:
    first, second = inverted["samples"].split(1)
    name = {NOISE_OF: inverted[NOISE_OF]} if keeps_name else {}
    for samples in (0.5 * first + 0.5 * second, 1.4 * first, 0.001 * first):
        with pytest.raises(ValueError, match="changed after STARFlow Invert, as by Latent Blend"):
            run("Sampler", model=starflow[0], noise=name | {"samples": samples})


@pytest.mark.parametrize("keeps_name", [True, False])
@pytest.mark.parametrize("node", ["Decode", "Invert", "Likelihood"])
def test_noise_is_taken_for_no_picture(
    starflow: tuple[Model, Any], inverted: Latent, node: str, keeps_name: bool
) -> None:
    latent = inverted if keeps_name else {"samples": inverted["samples"]}
    with pytest.raises(ValueError, match="This latent is noise, made by STARFlow Invert"):
        run(node, model=starflow[0], latent=latent)


def test_noise_that_lost_its_mark_is_known_by_its_name(starflow: tuple[Model, Any], inverted: Latent) -> None:
    bare = inverted | {"samples": noise_mark.unmarked(inverted["samples"])}
    with pytest.raises(ValueError, match="changed after STARFlow Invert"):
        run("Sampler", model=starflow[0], noise=bare)
    with pytest.raises(ValueError, match="This latent is noise, made by STARFlow Invert"):
        run("Decode", model=starflow[0], latent=bare)


def test_noise_of_another_model_is_refused_without_its_name_too(tarflow: Model, inverted: Latent) -> None:
    with pytest.raises(ValueError, match="of the model starflow-mini"):
        run("Sampler", model=tarflow, noise=inverted)
    with pytest.raises(ValueError, match="that of another model"):
        run("Sampler", model=tarflow, noise={"samples": inverted["samples"]})
