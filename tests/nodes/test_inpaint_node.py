"""STARFlow Inpaint."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from node_runs import run

from nodes import convert
from nodes.local_host import LocalHost
from nodes.values import Model
from starflow_core.pipeline import Pipeline
from starflow_core.samplers import Progress

QUICK: dict[str, Any] = {"rounds": 1, "steps": 2}


@pytest.fixture(scope="module")
def image(pipeline: Pipeline) -> torch.Tensor:
    return convert.image(pipeline.generate(["owl", "red heart"], seed=3))


def mask_of(size: int = 64, first: int = 20, last: int = 44) -> torch.Tensor:
    mask = torch.zeros(1, size, size)
    mask[:, first:last, first:last] = 1
    return mask


def test_node_draws_what_the_library_draws(
    starflow: tuple[Model, Any], pipeline: Pipeline, image: torch.Tensor
) -> None:
    model, encoder = starflow
    text = run("TextEncode", text_encoder=encoder, text="owl")
    given = {"model": model, "mask": mask_of(), "positive": text, "seed": 5, "count": 2, **QUICK}
    filled, latent, log_prob = run("Inpaint", image=image[:1], **given)
    expected = pipeline.inpaint(convert.pictures(image)[0], mask_of()[0], "owl", seed=5, count=2, **QUICK)
    assert log_prob == pytest.approx([fill.log_prob for fill in expected], abs=0.05)
    torch.testing.assert_close(filled, convert.image([fill.image for fill in expected]), rtol=0, atol=0.01)
    assert latent["samples"].shape == (2, 16, 8, 8)


def test_numbers_outside_the_mask_are_the_same_to_the_last_bit(
    starflow: tuple[Model, Any], image: torch.Tensor
) -> None:
    fine = (image + 1e-4 * torch.rand(image.shape)).clamp(0, 1)  # finer than 8 bits
    filled, _, log_prob = run("Inpaint", model=starflow[0], image=fine, mask=mask_of(), **QUICK)
    kept = mask_of()[0] == 0
    assert torch.equal(filled[:, kept], fine[:, kept])
    assert (filled[:, ~kept] != fine[:, ~kept]).any()
    assert len(log_prob) == 2


def test_each_picture_may_have_its_own_mask(starflow: tuple[Model, Any], image: torch.Tensor) -> None:
    masks = torch.cat([mask_of(), mask_of(first=4, last=12)])
    filled, _, _ = run("Inpaint", model=starflow[0], image=image, mask=masks, **QUICK)
    for one, before, mask in zip(filled, image, masks, strict=True):
        assert torch.equal(one[mask == 0], before[mask == 0])
        assert not torch.equal(one[mask > 0], before[mask > 0])


@pytest.mark.parametrize("is_own", [True, False])
def test_latent_keeps_its_other_places(starflow: tuple[Model, Any], image: torch.Tensor, is_own: bool) -> None:
    """The mask is that of Set Latent Noise Mask, or connected."""
    model = starflow[0]
    latent = run("Encode", model=model, image=image[:1]) | {"batch_index": [4]}
    mask = mask_of()
    given = {"latent": latent | {"noise_mask": mask[:, None]}} if is_own else {"latent": latent, "mask": mask}
    shown, filled, _ = run("Inpaint", model=model, **given, **QUICK)
    kept = torch.nn.functional.max_pool2d(mask, 8)[0] == 0
    before, after = latent["samples"][0], filled["samples"][0]
    torch.testing.assert_close(after[:, kept], before[:, kept], rtol=1e-6, atol=1e-6)
    assert not torch.allclose(after[:, ~kept], before[:, ~kept])
    assert shown.shape == (1, 64, 64, 3)
    assert filled["batch_index"] == [4]
    assert "noise_mask" not in filled


def test_flow_of_pictures_takes_its_latents_too(tarflow: Model) -> None:
    image = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    latent = run("Encode", model=tarflow, image=image)
    shown, filled, _ = run("Inpaint", model=tarflow, latent=latent, mask=mask_of(32, 8, 16), **QUICK)
    kept = mask_of(32, 8, 16)[0] == 0
    torch.testing.assert_close(shown[0, kept], image[0, kept], rtol=0, atol=0.01)
    assert filled["samples"].shape == (1, 3, 32, 32)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"image": None}, "Connect an image or a latent"),
    ({"mask": None}, "No mask is connected"),
    ({"mask": torch.zeros(1, 64, 64)}, "black everywhere"),
    ({"mask": torch.ones(1, 64, 64)}, "white everywhere"),
    ({"mask": mask_of(32, 4, 9)}, "The mask is 32×32 pixels, and the picture 64×64"),
    ({"mask": torch.rand(3, 64, 64)}, r"must be \(1, H, W\), or \(2, H, W\)"),
    ({"mask": torch.rand(64, 64)}, "This mask is"),
    ({"mask": "white"}, "This mask is str"),
    ({"mask": torch.full((1, 64, 64), torch.nan)}, "NaN"),
    ({"count": 0}, "Count is 0"),
    ({"count": 1.5}, "Count is 1.5"),
    ({"seed": -1}, "Seed is -1"),
    ({"steps": 1e9}, "Steps is"),
    ({"rounds": 0, "steps": 0}, "both 0"),
    ({"temperature": float("nan")}, "Temperature is nan"),
    ({"feather": 10_000}, "Feather is 10000"),
]


@pytest.mark.parametrize(("wrong", "told"), WRONG, ids=[told for _, told in WRONG])
def test_what_is_wrong_is_said(
    wrong: dict[str, Any], told: str, starflow: tuple[Model, Any], image: torch.Tensor
) -> None:
    given = {"model": starflow[0], "image": image, "mask": mask_of(), **QUICK, **wrong}
    with pytest.raises(ValueError, match=told):
        run("Inpaint", **given)


def test_wrong_masks_of_latents_are_refused(starflow: tuple[Model, Any], image: torch.Tensor) -> None:
    latent = run("Encode", model=starflow[0], image=image)
    masked = latent | {"noise_mask": mask_of()[:, None]}
    impossible: list[tuple[dict[str, Any], str]] = [
        ({"latent": latent}, "no mask"),
        ({"latent": masked, "mask": mask_of()}, "a mask of its own"),
        ({"latent": latent, "mask": torch.rand(3, 64, 64)}, "3 masks for 2 latents"),
        ({"latent": latent, "mask": torch.zeros(1, 64, 64)}, "mask is empty"),
        ({"latent": latent, "mask": torch.ones(1, 64, 64)}, "mask less"),
        ({"latent": latent | {"noise_mask": 3}}, "This mask is int"),
        ({"latent": masked, "image": image}, "and not both"),
    ]
    for given, told in impossible:
        with pytest.raises(ValueError, match=told):
            run("Inpaint", model=starflow[0], **given, **QUICK)


def test_progress_shows_pictures_and_can_cancel(starflow: tuple[Model, Any], image: torch.Tensor) -> None:
    shares: list[float] = []

    def report(step: Progress) -> None:
        shares.append(step.done / step.total)

    given: dict[str, Any] = {"model": starflow[0], "image": image, "mask": mask_of(), "count": 2, **QUICK}
    run("Inpaint", LocalHost(report, device="cpu"), **given)
    assert shares == sorted(shares)
    assert shares[-1] == 1

    def cancel(step: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("Inpaint", LocalHost(cancel, device="cpu"), **given)
