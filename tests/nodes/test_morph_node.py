"""STARFlow Morph, image to image with STARFlow Sampler, and how latents say what they were drawn from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from node_runs import BY_ID, run

from nodes import convert
from nodes.local_host import LocalHost
from nodes.origin import prompt_of
from nodes.sampling import sample
from starflow_core.pipeline import Pipeline
from starflow_core.png_text import Origin


@pytest.fixture(scope="module")
def loaded() -> Any:
    return run("Loader", model="starflow-mini")


@pytest.fixture(scope="module")
def hearts(loaded: Any, pipeline: Pipeline) -> list[torch.Tensor]:
    return [convert.image([one]) for one in pipeline.generate(["red heart", "green heart"], seed=1)]


def prompt(loaded: Any, text: str) -> Any:
    return run("TextEncode", text_encoder=loaded[1], text=text)


def test_frames_are_those_of_the_pipeline(loaded: Any, hearts: list[torch.Tensor], pipeline: Pipeline) -> None:
    given = {"first_conditioning": prompt(loaded, "red heart"), "second_conditioning": prompt(loaded, "green heart")}
    image, latent = run("Morph", model=loaded[0], first=hearts[0], second=hearts[1], frames=4, **given)
    pictures = [convert.pictures(heart)[0] for heart in hearts]
    expected = pipeline.morph(pictures[0], pictures[1], 4, "red heart", "green heart")
    torch.testing.assert_close(image, convert.image(expected.frames), atol=2 / 255, rtol=0)
    assert latent["samples"].shape == (4, 16, 8, 8)


def test_morph_needs_two_pictures_of_one_shape(loaded: Any, hearts: list[torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="The two pictures are the same"):
        run("Morph", model=loaded[0], first=hearts[0], second=hearts[0])
    with pytest.raises(ValueError, match="crop them to one shape"):
        run("Morph", model=loaded[0], first=hearts[0], second=torch.zeros(1, 60, 120, 3))
    with pytest.raises(ValueError, match="The second image holds 2 pictures"):
        run("Morph", model=loaded[0], first=hearts[0], second=torch.cat(hearts))


def test_strength_goes_from_the_latent_to_what_the_seed_gives(loaded: Any, hearts: list[torch.Tensor]) -> None:
    model, given = loaded[0], prompt(loaded, "red heart")
    latent = run("Encode", model=model, image=hearts[0])
    settings = {"model": model, "positive": given, "seed": 5}

    def at(strength: float) -> torch.Tensor:
        found: torch.Tensor = run("Sampler", latent=latent, strength=strength, **settings)["samples"]
        return found

    assert torch.equal(at(0), latent["samples"])
    torch.testing.assert_close(at(1), run("Sampler", **settings)["samples"])
    apart = [float((at(strength) - latent["samples"]).norm()) for strength in (0.2, 0.6)]
    assert 0 < apart[0] < apart[1]


def test_one_latent_gives_a_batch_and_a_batch_stays_one(loaded: Any, hearts: list[torch.Tensor]) -> None:
    latent = run("Encode", model=loaded[0], image=hearts[0])
    fast = {"model": loaded[0], "guidance": 0.0, "denoise": "off", "strength": 0.5}
    assert len(run("Sampler", latent=latent, batch_size=3, **fast)["samples"]) == 3
    both = {"samples": latent["samples"].repeat(2, 1, 1, 1)}
    found = run("Sampler", latent=both, batch_size=3, **fast)["samples"]
    assert len(found) == 2
    assert not torch.equal(found[0], found[1])


def test_latent_and_noise_exclude_each_other(loaded: Any, hearts: list[torch.Tensor]) -> None:
    latent = run("Encode", model=loaded[0], image=hearts[0])
    noise = run("Invert", model=loaded[0], latent=latent)
    with pytest.raises(ValueError, match="Both a latent and noise are connected"):
        run("Sampler", model=loaded[0], latent=latent, noise=noise)
    with pytest.raises(ValueError, match="This latent is noise"):
        run("Sampler", model=loaded[0], latent=noise)
    with pytest.raises(ValueError, match=r"Strength is 1\.5, and must be a number from 0 to 1"):
        run("Sampler", model=loaded[0], latent=latent, strength=1.5)


# Origins


def origin(**values: Any) -> Any:
    defaults = {given.name: given.default for given in sample.inputs if not given.is_required}
    return sample(LocalHost(device="cpu"), **defaults | values).details


def test_sampler_says_what_it_drew(loaded: Any, pipeline: Pipeline) -> None:
    small = {"aspect_ratio": "width and height", "width": 16, "height": 16}
    given = {"positive": prompt(loaded, "owl"), "negative": prompt(loaded, "cat")}
    found = origin(model=loaded[0], seed=7, batch_size=2, temperature=0.4, **given, **small)
    assert isinstance(found, Origin)
    assert (found.prompt, found.seed) == ("owl", 7)
    told = found.settings
    assert (told["negative"], told["temperature"], told["model"]) == ("cat", 0.4, "starflow-mini")
    assert told["batch"] == [{"seed": 7}, {"seed": 8}]
    assert told["weights"].items() <= pipeline.fingerprint.items()
    latent = run("Sampler", model=loaded[0], seed=7, **small)
    edited = origin(model=loaded[0], latent=latent, **given)
    assert edited.settings["edit"] == "vary"


def test_conditioning_that_was_changed_has_no_prompt(loaded: Any) -> None:
    made = prompt(loaded, "owl")
    assert prompt_of(made) == "owl"
    assert prompt_of(None) == ""
    assert prompt_of([[0.5 * made[0][0], made[0][1]]]) is None
    assert origin(model=loaded[0], positive=[[0.5 * made[0][0], made[0][1]]], batch_size=1) is None
    assert "STARFlowMorph" in BY_ID
