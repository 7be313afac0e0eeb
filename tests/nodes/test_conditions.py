"""What comes to the nodes as a CONDITIONING, and what of it a flow cannot heed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from node_runs import run

from nodes.conditions import of_one_length
from nodes.values import Conditioning, Model

SET = [
    ({"area": (8, 8, 0, 0), "strength": 1.0, "set_area_to_bounds": False}, r"Conditioning \(Set Area\)"),
    ({"strength": 0.5}, r"ConditioningSetAreaStrength"),
    ({"mask": torch.ones(1, 64, 64), "set_area_to_bounds": False, "mask_strength": 1.0}, r"Conditioning \(Set Mask\)"),
    ({"mask_strength": 0.5}, r"Conditioning \(Set Mask\)"),
    ({"start_percent": 0.2, "end_percent": 1.0}, "ConditioningSetTimestepRange"),
    ({"start_percent": 0.0, "end_percent": 0.5}, "ConditioningSetTimestepRange"),
    ({"control": object(), "control_apply_to_uncond": False}, "Apply ControlNet"),
    ({"guidance": 3.5}, "FluxGuidance"),
    ({"what_comes_next_year": 1}, "a node that sets what_comes_next_year"),
]


def changed(conditioning: Conditioning, **more: Any) -> Conditioning:
    """As ComfyUI's nodes set values of a conditioning."""
    return [[features, about | more] for features, about in conditioning]


@pytest.fixture(scope="module")
def heart(starflow: tuple[Model, Any]) -> Conditioning:
    found: Conditioning = run("TextEncode", text_encoder=starflow[1], text="red heart")
    return found


@pytest.mark.parametrize(("more", "node"), SET, ids=[node for _, node in SET])
@pytest.mark.parametrize("name", ["Sampler", "Sampler negative", "Invert", "Likelihood"])
def test_what_a_flow_cannot_heed_is_refused_by_name(
    starflow: tuple[Model, Any], heart: Conditioning, more: dict[str, Any], node: str, name: str
) -> None:
    given = changed(heart, **more)
    inputs: dict[str, dict[str, Any]] = {
        "Sampler": {"positive": given},
        "Sampler negative": {"negative": given, "guidance": 1.0},
        "Invert": {"image": torch.rand(1, 64, 64, 3), "conditioning": given},
        "Likelihood": {"image": torch.rand(1, 64, 64, 3), "conditioning": given},
    }
    with pytest.raises(ValueError, match=f"went through {node}, which a flow cannot heed"):
        run(name.split()[0], model=starflow[0], **inputs[name])


def test_settings_that_change_nothing_are_taken(starflow: tuple[Model, Any], heart: Conditioning) -> None:
    nothing = {"strength": 1.0, "mask": None, "mask_strength": 1.0, "set_area_to_bounds": False, "pooled_output": None}
    whole = changed(heart, start_percent=0.0, end_percent=1.0, **nothing)
    expected, found = (run("Sampler", model=starflow[0], positive=given)["samples"] for given in (heart, whole))
    assert torch.equal(found, expected)


def test_text_is_read_as_plain_words(starflow: tuple[Model, Any], heart: Conditioning) -> None:
    with pytest.raises(ValueError, match=r"gives words a weight, \(red:1\.5\)"):
        run("TextEncode", text_encoder=starflow[1], text="(red:1.5) heart")
    escaped, plain = (run("TextEncode", text_encoder=starflow[1], text=text) for text in (r"\(heart\)", "(heart)"))
    assert torch.equal(escaped[0][0], plain[0][0])


def test_masked_latents_are_refused_by_name(starflow: tuple[Model, Any]) -> None:
    model = starflow[0]
    latent = run("Encode", model=model, image=torch.rand(1, 64, 64, 3))
    noise = run("Invert", model=model, latent=latent)
    mask = {"noise_mask": torch.ones(1, 1, 64, 64)}
    for name, given in (("Invert", "latent"), ("Likelihood", "latent"), ("Sampler", "noise")):
        masked = mask | (noise if given == "noise" else latent)
        with pytest.raises(ValueError, match=r"has a mask, of Set Latent Noise Mask.*STARFlow Inpaint"):
            run(name, model=model, **{given: masked})
    assert run("Decode", model=model, latent=latent | mask).shape == (1, 64, 64, 3)  # as VAE Decode, which reads all


def test_empty_latents_are_refused_by_name(starflow: tuple[Model, Any]) -> None:
    for name in ("Decode", "Invert", "Likelihood"):
        with pytest.raises(ValueError, match="This latent is empty: all of it is zero, as Empty Latent Image"):
            run(name, model=starflow[0], latent={"samples": torch.zeros(1, 16, 8, 8)})


def test_grey_picture_is_no_empty_latent(tarflow: Model) -> None:
    """In a flow of pictures, 0 is the middle grey."""
    image = run("Decode", model=tarflow, latent={"samples": torch.zeros(1, 3, 32, 32)})
    assert (image - 0.5).abs().max() < 0.01


# The empty prompt


def test_negative_is_the_empty_prompt_where_none_is_connected(starflow: tuple[Model, Any], heart: Conditioning) -> None:
    model, encoder = starflow
    empty = run("TextEncode", text_encoder=encoder, text="")
    other = run("TextEncode", text_encoder=encoder, text="blue")
    settings = {"model": model, "positive": heart, "guidance": 2.0, "denoise": "off"}
    found = run("Sampler", **settings)["samples"]
    assert torch.equal(found, run("Sampler", **settings, negative=empty)["samples"])
    assert not torch.equal(found, run("Sampler", **settings, negative=other)["samples"])


def test_whatever_is_not_connected_is_the_empty_prompt(starflow: tuple[Model, Any]) -> None:
    model, encoder = starflow
    empty = run("TextEncode", text_encoder=encoder, text="")
    image = torch.rand(1, 64, 64, 3)
    assert (
        run("Likelihood", model=model, image=image)[0]
        == run("Likelihood", model=model, image=image, conditioning=empty)[0]
    )
    invert, sample = {"model": model, "image": image}, {"model": model, "guidance": 0.0, "denoise": "off"}
    assert torch.equal(run("Invert", **invert)["samples"], run("Invert", **invert, conditioning=empty)["samples"])
    assert torch.equal(run("Sampler", **sample)["samples"], run("Sampler", **sample, positive=empty)["samples"])


@pytest.mark.parametrize("longer", ["positive", "negative"])
def test_prompts_of_other_lengths_are_padded_as_their_encoder_pads(
    starflow: tuple[Model, Any], heart: Conditioning, longer: str
) -> None:
    model, encoder = starflow
    empty = run("TextEncode", text_encoder=encoder, text="")
    long = [[torch.cat([heart[0][0], heart[0][0]], dim=1), heart[0][1]]]  # as Conditioning (Concat) joins
    padded = [[torch.cat([empty[0][0], torch.zeros_like(empty[0][0])], dim=1), empty[0][1]]]
    settings = {"model": model, "guidance": 1.0, "denoise": "off"}
    names = ("negative", "positive") if longer == "negative" else ("positive", "negative")
    found = run("Sampler", **settings, **dict(zip(names, (long, empty), strict=True)))["samples"]
    expected = run("Sampler", **settings, **dict(zip(names, (long, padded), strict=True)))["samples"]
    assert torch.equal(found, expected)


def test_lengths_of_labels_are_left_alone() -> None:
    labels = torch.tensor([1, 2])
    assert of_one_length(labels, None) == (labels, None)
    first, second = of_one_length(torch.ones(1, 2, 3), torch.ones(1, 4, 3))
    assert first is not None
    assert second is not None
    assert torch.equal(first, torch.cat([torch.ones(1, 2, 3), torch.zeros(1, 2, 3)], dim=1))
    assert torch.equal(second, torch.ones(1, 4, 3))


def test_labels_that_were_multiplied_are_refused(tarflow: Model) -> None:
    [[label, about]] = run("ClassLabel", model=tarflow, name="cat")
    with pytest.raises(ValueError, match="changed on its way; use STARFlow Class Label of tarflow-mini"):
        run("Sampler", model=tarflow, positive=[[label * 1.5, about]])
