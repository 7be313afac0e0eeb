"""The pipeline of a flow of pictures; what does not depend on the kind of flow is in test_pipeline.py."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from golden import relative_error
from PIL import Image
from tiny import TINY_TARFLOW, random_flow

from starflow_core.codecs.classes import Classes
from starflow_core.flow.guidance import TarFlowGuidance
from starflow_core.flow.noise import seeded_noise
from starflow_core.insight.likelihood import denoise, score
from starflow_core.pipeline import Pipeline
from starflow_core.samplers import Sequential
from starflow_core.sampling import SamplingDefaults

CLASSES = Classes(("cat", "dog", "wild"))
EXACT: dict[str, Any] = {"sampler": Sequential()}


def new_pipeline(defaults: SamplingDefaults | None = None, **changes: Any) -> Pipeline:
    config = dataclasses.replace(TINY_TARFLOW, **changes)
    classes = CLASSES if config.num_classes else None
    return Pipeline(random_flow(config), None, None, name="pixels", defaults=defaults, classes=classes)


@pytest.fixture(scope="module")
def pixels() -> Pipeline:
    return new_pipeline()


def gradient(width: int = 8, height: int = 8) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 / width, y * 255 / height, 128 + 0 * x], axis=-1).astype(np.uint8)
    return Image.fromarray(pixels)


# Drawing


def test_picture_of_a_class_is_the_flows(pixels: Pipeline) -> None:
    x = pixels.generate_latents("Dog", seed=5, count=2, **EXACT)
    expected = pixels.flow.inverse(seeded_noise((3, 8, 8), 5, 2), torch.tensor([1, 1]))
    assert torch.equal(x, expected)
    images = pixels.generate("dog", seed=5, count=2, **EXACT)
    assert [image.size for image in images] == [(8, 8)] * 2
    for image, tensor in zip(images, expected.clamp(-1, 1), strict=True):
        levels = ((tensor + 1) * 127.5).round().permute(1, 2, 0).numpy()
        assert np.array_equal(np.asarray(image), levels.astype(np.uint8))


def test_classes_draw_different_pictures_and_none_is_one_of_its_own(pixels: Pipeline) -> None:
    x = pixels.generate_latents(["cat", "dog", "wild", ""], seed=1)
    assert len(torch.unique(x, dim=0)) == 4
    none = pixels.flow.inverse(seeded_noise((3, 8, 8), 1, 1))
    assert relative_error(x[3:], none) < 0.01


@pytest.mark.parametrize("name", ["wolf", "a cat", "0"])
def test_unknown_class_is_refused_with_the_known_ones(pixels: Pipeline, name: str) -> None:
    message = rf"There is no class '{name}'; this model knows cat, dog, wild"
    with pytest.raises(ValueError, match=message):
        pixels.generate(name)
    with pytest.raises(ValueError, match=message):
        pixels.generate("cat", negative=name)
    with pytest.raises(ValueError, match=message):
        pixels.score(gradient(), name)
    with pytest.raises(ValueError, match=message):
        pixels.reconstruct(gradient(), name)


@pytest.mark.parametrize("prompt", [None, 3, b"cat", ["cat", None], [["cat"]], [b"cat"]])
def test_what_is_no_name_is_refused(pixels: Pipeline, prompt: Any) -> None:
    with pytest.raises(ValueError, match=r"prompt|class"):
        pixels.generate(prompt)


@pytest.mark.parametrize("negative", [None, 3, ["cat"]])
def test_negative_class_that_is_no_name_is_refused(pixels: Pipeline, negative: Any) -> None:
    with pytest.raises(ValueError, match=r"prompt|class"):
        pixels.generate("cat", negative=negative)


@pytest.mark.parametrize(("guidance", "changes"), [(0.0, False), (2.0, True)])
def test_negative_class_matters_with_guidance_only(pixels: Pipeline, guidance: float, changes: bool) -> None:
    plain, steered = (
        pixels.generate_latents("cat", guidance=guidance, negative=negative, **EXACT) for negative in ("", "dog")
    )
    assert torch.equal(plain, steered) != changes
    guided = pixels.flow.inverse(
        seeded_noise((3, 8, 8), 0, 1), torch.tensor([0]), guidance=guidance, unconditional=torch.tensor([1])
    )
    assert torch.equal(steered, guided)


@pytest.mark.parametrize(
    ("options", "guidance"),
    [
        ({"guided": "a"}, TarFlowGuidance(1.5, "a")),
        ({"guided": "b", "annealed": True}, TarFlowGuidance(1.5, "b", annealed=True)),
        ({"attention_temperature": 0.7}, TarFlowGuidance(1.5, attention_temperature=0.7)),
    ],
)
def test_options_of_the_guidance_reach_the_flow(
    pixels: Pipeline, options: dict[str, Any], guidance: TarFlowGuidance
) -> None:
    expected = pixels.flow.inverse(seeded_noise((3, 8, 8), 0, 1), torch.tensor([2]), guidance=guidance)
    assert torch.equal(pixels.generate_latents("wild", guidance=1.5, **options, **EXACT), expected)
    by_default = new_pipeline(SamplingDefaults(guidance=1.5, **options))
    assert torch.equal(by_default.generate_latents("wild", **EXACT), expected)


def test_what_is_chosen_goes_before_the_defaults() -> None:
    defaults = SamplingDefaults(guidance=1.5, annealed=True, attention_temperature=0.7)
    x = new_pipeline(defaults).generate_latents("cat", annealed=False, attention_temperature=1.0, **EXACT)
    assert torch.equal(x, new_pipeline().generate_latents("cat", guidance=1.5, **EXACT))


@pytest.mark.parametrize(
    "options",
    [
        {"guided": "c"},
        {"guided": 3},
        {"annealed": "yes"},
        {"attention_temperature": 0},
        {"attention_temperature": math.nan},
        {"attention_temperature": "hot"},
    ],
)
def test_other_options_of_the_guidance_are_refused(pixels: Pipeline, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"guided|annealed|attention_temperature"):
        pixels.generate("cat", guidance=1.0, **options)


# Models without classes


def test_model_without_classes_draws_scores_and_is_guided_by_temperature() -> None:
    plain = new_pipeline(num_classes=0)
    x = plain.generate_latents("anything", guidance=2.0, **EXACT)
    assert torch.equal(x, plain.flow.inverse(seeded_noise((3, 8, 8), 0, 1)))
    guided = plain.generate_latents("", guidance=2.0, attention_temperature=0.7, **EXACT)
    assert not torch.equal(guided, x)
    assert math.isfinite(plain.score(gradient()).log_prob)
    with pytest.raises(ValueError, match="'pixels' knows no prompts"):
        plain.score(gradient(), "cat")


# Sizes


def test_size_is_that_of_training(pixels: Pipeline) -> None:
    assert (pixels.factor, pixels.multiple, pixels.trained_side) == (1, 2, 8)
    assert pixels.generate("cat", size=8)[0].size == (8, 8)


@pytest.mark.parametrize("size", [16, (8, 16), 7, 0])
def test_other_sizes_are_refused(pixels: Pipeline, size: Any) -> None:
    with pytest.raises(ValueError, match=r"8.8 only|size"):
        pixels.generate("cat", size=size)
    with pytest.raises(ValueError, match=r"8.8 only|size"):
        pixels.score(gradient(), size=size)
    with pytest.raises(ValueError, match=r"8.8 only|size"):
        pixels.reconstruct(gradient(), size=size)


@pytest.mark.parametrize("size", [(24, 8), (8, 24), (40, 8)])
def test_other_shapes_are_cropped_to_the_middle(pixels: Pipeline, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "red")
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    image.paste("white", (left, top, left + side, top + side))
    fitted = pixels.fit(image)
    assert fitted.size == (8, 8)
    assert np.asarray(fitted).min() > 250
    white = Image.new("RGB", (8, 8), "white")
    assert pixels.score(image).log_prob == pytest.approx(pixels.score(white).log_prob, rel=1e-3)


# Scores and reconstructions


def test_score_of_a_picture_is_the_flows(pixels: Pipeline) -> None:
    x = torch.tensor(np.asarray(gradient())).permute(2, 0, 1) / 127.5 - 1
    for prompt, label in [("cat", 0), ("wild", 2), ("", -1), (None, -1)]:
        result = pixels.score(gradient(), prompt, draws=3, seed=4)
        expected = score(pixels.flow, x, torch.tensor([label]), draws=3, seed=4)
        assert torch.equal(result.draws, expected.draws)
        assert result.map.shape == (4, 4)


def test_class_changes_the_score(pixels: Pipeline) -> None:
    assert len({pixels.score(gradient(), prompt).log_prob for prompt in (None, "cat", "dog", "wild")}) == 4


@pytest.mark.parametrize("prompt", ["", "dog"])
@pytest.mark.parametrize("noise_std", [0.07, 0.0])
def test_picture_comes_back_from_noise(prompt: str, noise_std: float) -> None:
    pixels = new_pipeline(noise_std=noise_std)
    result = pixels.reconstruct(gradient(), prompt)
    assert result.latent_error < 1e-4
    assert np.array_equal(np.asarray(result.image), np.asarray(gradient()))
    assert result.psnr > 60
    assert torch.equal(result.noise[None], pixels.flow(pixels.encode(gradient()), pixels.condition([prompt])).z)


# Noise of training


def test_denoising_takes_the_noise_of_training_off(pixels: Pipeline) -> None:
    noisy, clean = (pixels.generate_latents("cat", denoise=wanted, **EXACT) for wanted in (False, True))
    assert torch.equal(clean, denoise(pixels.flow, noisy, torch.tensor([0])))
    assert 0 < relative_error(clean, noisy) < 0.5


@pytest.mark.parametrize("by_default", [False, True])
def test_denoising_without_noise_to_take_off_is_refused(by_default: bool) -> None:
    pixels = new_pipeline(SamplingDefaults(denoise=by_default), noise_std=0.0)
    with pytest.raises(ValueError, match="'pixels' was trained without Gaussian noise"):
        pixels.generate("cat", denoise=None if by_default else True)
    assert pixels.generate("cat", denoise=False)


def test_dequantised_model_draws_the_values_of_its_steps() -> None:
    pixels = new_pipeline(noise_std=0.0)
    x = pixels.generate_latents("cat", **EXACT)
    (image,) = pixels.generate("cat", **EXACT)
    levels = ((x[0] + 1) * 128).floor().clamp(0, 255).permute(1, 2, 0).numpy()
    assert np.array_equal(np.asarray(image), levels.astype(np.uint8))


def test_dequantised_model_scores_8_bit_steps() -> None:
    pixels = new_pipeline(noise_std=0.0)
    result = pixels.score(gradient(), "cat", draws=2)
    expected = -(result.log_prob - 192 * math.log(128)) / (192 * math.log(2))
    assert result.bits_per_dim == pytest.approx(expected)


# Construction


@pytest.mark.parametrize("classes", [None, Classes(("cat",)), Classes(("cat", "dog", "wild", "more"))])
def test_wrong_number_of_classes_is_refused(classes: Classes | None) -> None:
    with pytest.raises(ValueError, match="classes must hold 3 names"):
        Pipeline(random_flow(TINY_TARFLOW), None, None, classes=classes)


def test_flow_of_other_than_colours_is_refused() -> None:
    config = dataclasses.replace(TINY_TARFLOW, in_channels=4)
    with pytest.raises(ValueError, match=r"pictures have 1 or 3 channels, the flow takes 4"):
        Pipeline(random_flow(config), None, None, classes=CLASSES)


def test_partial_results_can_be_decoded(pixels: Pipeline) -> None:
    pictures: list[Image.Image] = []
    pixels.generate("cat", progress=lambda step: pictures.extend(pixels.decode(step.partial())))
    assert {picture.size for picture in pictures} == {(8, 8)}
