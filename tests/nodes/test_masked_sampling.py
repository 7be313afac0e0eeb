"""STARFlow Sampler with a latent that has a mask: the masked places are drawn anew."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from node_runs import BY_ID, run

from nodes import convert, masked_sampling
from nodes.local_host import LocalHost
from nodes.values import Latent, Model
from starflow_core.editing.settings import Filling
from starflow_core.pipeline import Pipeline

QUICK: dict[str, Any] = {"rounds": 1, "steps": 2}
MASK = torch.zeros(1, 1, 32, 32)
MASK[..., 16:, :] = 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masked_sampling, "DEFAULT", Filling(**QUICK))


@pytest.fixture(scope="module")
def latent(starflow: tuple[Model, Any], pipeline: Pipeline) -> Latent:
    """A small latent with the mask of Set Latent Noise Mask: the lower half of a quarter of a picture."""
    image = convert.image(pipeline.generate("owl", seed=3))
    whole = run("Encode", model=starflow[0], image=image)["samples"]
    return {"samples": whole[..., :4, :4].clone(), "noise_mask": MASK, "batch_index": [4]}


def test_sampler_draws_what_inpaint_draws(starflow: tuple[Model, Any], latent: Latent) -> None:
    model, encoder = starflow
    text = run("TextEncode", text_encoder=encoder, text="owl")
    given = {"model": model, "positive": text, "latent": latent}
    found = run("Sampler", seed=5, batch_size=2, **given)
    expected = [run("Inpaint", seed=seed, **given, **QUICK)[1]["samples"][0] for seed in (5, 6)]
    torch.testing.assert_close(found["samples"], torch.stack(expected))
    guided = run("Sampler", seed=5, guidance=1.0, temperature=0.5, **given)
    expected = [run("Inpaint", seed=5, guidance=1.0, temperature=0.25, **given, **QUICK)[1]["samples"][0]]
    torch.testing.assert_close(guided["samples"], torch.stack(expected))


def test_places_outside_the_mask_stay_and_the_rest_of_the_latent_goes_along(
    starflow: tuple[Model, Any], latent: Latent
) -> None:
    found = run("Sampler", model=starflow[0], latent=latent)
    before, after = latent["samples"][0], found["samples"][0]
    torch.testing.assert_close(after[:, :2], before[:, :2], rtol=1e-6, atol=1e-6)
    assert not torch.allclose(after[:, 2:], before[:, 2:], rtol=0.1, atol=0.1)
    assert (found["batch_index"], "noise_mask" in found) == ([4], False)
    again = run("Sampler", model=starflow[0], latent=latent, seed=1)["samples"][0]
    assert not torch.equal(again[:, 2:], after[:, 2:])


def test_each_latent_of_a_batch_has_its_mask_and_seed(starflow: tuple[Model, Any], latent: Latent) -> None:
    masks = torch.cat([MASK, MASK.flip(2)])
    both = {"samples": latent["samples"].repeat(2, 1, 1, 1), "noise_mask": masks}
    found = run("Sampler", model=starflow[0], latent=both, batch_size=3)["samples"]
    assert len(found) == 2
    for one, before, kept in zip(found, both["samples"], (slice(0, 2), slice(2, 4)), strict=True):
        torch.testing.assert_close(one[:, kept], before[:, kept], rtol=1e-6, atol=1e-6)
    second = {"samples": latent["samples"], "noise_mask": MASK.flip(2)}
    torch.testing.assert_close(found[1:], run("Sampler", model=starflow[0], latent=second, seed=1)["samples"])


def test_strength_of_0_keeps_all_of_it(starflow: tuple[Model, Any], latent: Latent) -> None:
    found = run("Sampler", model=starflow[0], latent=latent, strength=0.0)
    assert torch.equal(found["samples"], latent["samples"])


def test_flow_of_pictures_draws_into_its_latents(tarflow: Model) -> None:
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:16, 8:16] = 1
    found = run("Sampler", model=tarflow, latent={"samples": picture, "noise_mask": mask})["samples"]
    kept = (mask == 0).expand_as(picture)
    torch.testing.assert_close(found[kept], picture[kept])
    assert not torch.allclose(found[~kept], picture[~kept], atol=0.05)


def test_file_says_that_it_was_drawn_into(starflow: tuple[Model, Any], latent: Latent) -> None:
    node = BY_ID["STARFlowSampler"]
    defaults = {given.name: given.default for given in node.inputs if not given.is_required}
    host = LocalHost(device="cpu")
    told = node(host, **defaults | {"model": starflow[0], "latent": latent, "seed": 7}).details
    assert told.seed == 7
    assert (told.settings["edit"], told.settings["guidance"]) == ("inpaint", 0)


WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"noise_mask": torch.zeros(1, 1, 32, 32)}, {}, "The mask is empty"),
    ({"noise_mask": torch.ones(1, 1, 32, 32)}, {}, "The mask touches every place"),
    ({"noise_mask": torch.ones(3, 1, 32, 32)}, {}, "3 masks for 1 latents"),
    ({"noise_mask": "white"}, {}, "This mask is str"),
    ({}, {"denoise": "off"}, "Denoise is off"),
    ({}, {"temperature": 0.0}, "Temperature is 0; in masked places"),
    ({}, {"temperature": 1.5}, r"Temperature is 1\.5; in masked places"),
]


@pytest.mark.parametrize(("mask", "settings", "told"), WRONG)
def test_what_is_wrong_is_said(
    mask: dict[str, Any], settings: dict[str, Any], told: str, starflow: tuple[Model, Any], latent: Latent
) -> None:
    with pytest.raises(ValueError, match=told):
        run("Sampler", model=starflow[0], latent=latent | mask, **settings)
