from __future__ import annotations

import concurrent.futures
import dataclasses
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden import relative_error
from PIL import Image

from starflow_core import PromptWarning
from starflow_core import pipeline as pipeline_module
from starflow_core.codecs.classes import Classes
from starflow_core.flow.noise import SEEDS, seeded_noise
from starflow_core.insight.best import best
from starflow_core.insight.scoring import log_probs
from starflow_core.pipeline import Pipeline
from starflow_core.samplers import Jacobi, Progress, Sequential
from starflow_core.sampling import Sampling, SamplingDefaults

# A quarter of the trained size, without guidance and denoising: what does not depend on them is tested faster.
SMALL: dict[str, Any] = {"size": 16, "guidance": 0.0, "denoise": False}


def gradient(width: int = 64, height: int = 64) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 / width, y * 255 / height, 128 + 0 * x], axis=-1).astype(np.uint8)
    return Image.fromarray(pixels)


def difference(a: Image.Image, b: Image.Image) -> int:
    """The largest difference of two pictures' pixels, in levels."""
    return int(np.abs(np.asarray(a, dtype=np.int16) - np.asarray(b, dtype=np.int16)).max())


# Seeds


def test_same_seed_gives_the_same_picture(pipeline: Pipeline) -> None:
    first, again = (pipeline.generate("a red heart", seed=3)[0] for _ in range(2))
    assert difference(first, again) == 0
    assert first.size == (64, 64)
    assert first.mode == "RGB"


def test_other_seeds_and_prompts_give_other_latents(pipeline: Pipeline) -> None:
    x = pipeline.generate_latents(["a red heart", "a blue car"], seed=3, count=2, **SMALL)
    assert x.shape == (4, pipeline.flow.config.in_channels, 2, 2)
    assert x.dtype == torch.float32
    assert len(torch.unique(x, dim=0)) == 4


def test_picture_of_a_seed_depends_on_neither_count_nor_neighbours(pipeline: Pipeline) -> None:
    alone = [pipeline.generate("cat", seed=5 + i, **SMALL)[0] for i in range(3)]
    together = pipeline.generate("cat", seed=5, count=3, **SMALL)
    among_prompts = pipeline.generate(["dog", "cat"], seed=5, count=3, **SMALL)
    swapped = pipeline.generate(["cat", "dog"], seed=5, count=3, **SMALL)
    for i in range(3):
        for other in (together[i], among_prompts[3 + i], swapped[i]):
            assert difference(alone[i], other) <= 1


def test_default_settings_depend_on_neither_count_nor_neighbours(pipeline: Pipeline) -> None:
    alone = pipeline.generate("cat", seed=8)[0]
    assert difference(alone, pipeline.generate(["dog", "cat"], seed=7, count=2)[3]) <= 1


def test_batches_change_nothing(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = pipeline.generate_latents("cat", count=5, **SMALL)
    monkeypatch.setattr(pipeline_module, "BATCH", 2)
    in_batches = pipeline.generate_latents("cat", count=5, **SMALL)
    assert relative_error(in_batches, at_once) < 0.01
    for a, b in zip(pipeline.decode(at_once), pipeline.decode(in_batches), strict=True):
        assert difference(a, b) <= 1


def test_global_generator_is_neither_read_nor_moved(pipeline: Pipeline) -> None:
    torch.manual_seed(1)
    first = pipeline.generate_latents("cat", **SMALL)
    state = torch.get_rng_state()
    assert torch.equal(pipeline.generate_latents("cat", **SMALL), first)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("seed", [0, 2**63, SEEDS - 1])
def test_seeds_in_range_work(pipeline: Pipeline, seed: int) -> None:
    assert len(pipeline.generate("cat", seed=seed, count=2, **SMALL)) == 2


@pytest.mark.parametrize("seed", [-1, SEEDS, 1.0, math.nan, True, "1", None, [], [3, -1], [True], ["3"], (SEEDS,)])
def test_other_seeds_are_refused(pipeline: Pipeline, seed: Any) -> None:
    with pytest.raises(ValueError, match="seed is"):
        pipeline.generate("cat", seed=seed, **SMALL)
    with pytest.raises(ValueError, match="seed is"):
        pipeline.score(gradient(), seed=seed)


# Samplers


def test_jacobi_keeps_its_tolerance(pipeline: Pipeline) -> None:
    exact = pipeline.generate_latents("a red heart", sampler=Sequential(), denoise=False)
    for tolerance in (0.1, 0.01):
        x = pipeline.generate_latents("a red heart", sampler=Jacobi(tolerance=tolerance), denoise=False)
        assert 0 < relative_error(x, exact) <= tolerance


def test_jacobi_is_the_default(pipeline: Pipeline) -> None:
    assert torch.equal(
        pipeline.generate_latents("cat", **SMALL), pipeline.generate_latents("cat", sampler=pipeline.jacobi(), **SMALL)
    )


# Guidance, temperature and denoising


@pytest.mark.parametrize(("guidance", "changes"), [(0.0, False), (2.0, True)])
def test_negative_prompt_matters_with_guidance_only(pipeline: Pipeline, guidance: float, changes: bool) -> None:
    plain, steered = (
        pipeline.generate_latents("cat", size=16, guidance=guidance, denoise=False, negative=negative)
        for negative in ("", "dog")
    )
    assert torch.equal(plain, steered) != changes


def test_defaults_of_the_model_are_used(pipeline: Pipeline) -> None:
    defaults = pipeline.defaults
    own: dict[str, Any] = {
        "guidance": defaults.guidance,
        "temperature": defaults.temperature,
        "denoise": defaults.denoise,
    }
    explicit = pipeline.generate_latents("cat", size=16, **own)
    assert torch.equal(pipeline.generate_latents("cat", size=16), explicit)
    others: list[dict[str, Any]] = [{"guidance": 0.5}, {"temperature": 0.9}, {"denoise": not defaults.denoise}]
    for other in others:
        assert not torch.equal(pipeline.generate_latents("cat", size=16, **other), explicit), other


def test_denoising_changes_latents_a_little(pipeline: Pipeline) -> None:
    noisy, clean = (pipeline.generate_latents("cat", size=16, guidance=0, denoise=denoise) for denoise in (False, True))
    assert 0 < relative_error(clean, noisy) < 1
    assert not clean.requires_grad


@pytest.mark.parametrize("guidance", [-1, -1e-9, math.nan, math.inf, 101, "3", True, [1.0]])
def test_other_strengths_of_guidance_are_refused(pipeline: Pipeline, guidance: Any) -> None:
    with pytest.raises(ValueError, match=r"guidance is .*; it must be a number from 0 \(off\) to 100"):
        pipeline.generate("cat", guidance=guidance)


def test_strongest_guidance_gives_numbers(pipeline: Pipeline) -> None:
    assert pipeline.generate_latents("cat", size=16, guidance=100, denoise=False).isfinite().all()


def test_temperature_is_the_standard_deviation_of_the_noise(pipeline: Pipeline) -> None:
    drawn = pipeline.generate_latents("cat", seed=3, temperature=0.5, **SMALL)
    noise = pipeline.flow(drawn, pipeline.condition(["cat"])).z
    assert relative_error(noise, 0.5 * seeded_noise((16, 2, 2), 3, 1)) < 0.05  # the default sampler's tolerance


def test_temperature_of_zero_is_one_picture_for_all_seeds(pipeline: Pipeline) -> None:
    first, second = (pipeline.generate_latents("cat", seed=seed, temperature=0, **SMALL) for seed in (1, 2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("temperature", [-0.1, math.nan, math.inf, 2.1, "1", True])
def test_other_temperatures_are_refused(pipeline: Pipeline, temperature: Any) -> None:
    with pytest.raises(ValueError, match=r"temperature is .*; it must be a number from 0 to 2"):
        pipeline.generate("cat", temperature=temperature)


# Sizes


@pytest.mark.parametrize(
    ("size", "expected"), [(None, (64, 64)), ((96, 64), (96, 64)), ((8, 24), (8, 24)), (8, (8, 8)), ([16, 8], (16, 8))]
)
def test_sizes_that_work(pipeline: Pipeline, size: Any, expected: tuple[int, int]) -> None:
    assert pipeline.generate("cat", size=size)[0].size == expected


@pytest.mark.parametrize(
    "size", [0, -8, 60, (96, 60), (0, 64), (-64, 64), True, (True, 64), (64,), (64, 64, 64), 2**40, 64.0, "64", "64x64"]
)
def test_other_sizes_are_refused(pipeline: Pipeline, size: Any) -> None:
    with pytest.raises(ValueError, match="size"):
        pipeline.generate("cat", size=size)
    with pytest.raises(ValueError, match="size"):
        pipeline.score(gradient(), size=size)


# Counts and prompts


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2", None, 10_001, 2**70])
def test_other_counts_are_refused(pipeline: Pipeline, count: Any) -> None:
    with pytest.raises(ValueError, match=r"count is .*; it must be a whole number from 1 to 10000"):
        pipeline.generate("cat", count=count, **SMALL)


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        " ",
        "word " * 10_000,
        "x" * 10_000,
        "❤️ 👩‍👩‍👧",
        "a\x00b\x1b[31m\n",
        "\ud800 heart \udfff",
        "\u202e",
        "<pad> </s> <unk>",
    ],
    ids=["empty", "space", "many words", "long word", "emoji", "control", "surrogates", "bidirectional", "special"],
)
def test_any_text_is_a_prompt(pipeline: Pipeline, prompt: str) -> None:
    x = pipeline.generate_latents(prompt, negative=prompt, size=16)
    assert x.isfinite().all()
    assert math.isfinite(pipeline.score(gradient(), prompt, draws=1, size=16).log_prob)


@pytest.mark.parametrize("prompt", [None, 3, b"cat", ["cat", None], [["cat"]], [b"cat"]])
def test_what_is_no_text_is_refused(pipeline: Pipeline, prompt: Any) -> None:
    with pytest.raises(ValueError, match="prompt"):
        pipeline.generate(prompt, **SMALL)


def test_no_prompt_at_all_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(ValueError, match="There is no prompt"):
        pipeline.generate([], **SMALL)


@pytest.mark.parametrize("negative", [None, 3, ["cat"]])
def test_negative_prompt_that_is_no_text_is_refused(pipeline: Pipeline, negative: Any) -> None:
    with pytest.raises(ValueError, match="prompt"):
        pipeline.generate("cat", negative=negative, **SMALL)


def test_prompts_may_be_any_sequence(pipeline: Pipeline) -> None:
    assert len(pipeline.generate(("cat", "dog"), **SMALL)) == 2


# Scores


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "F"])
def test_pictures_of_any_mode_are_scored(pipeline: Pipeline, mode: str) -> None:
    source = gradient(32, 16)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(source.convert("L")).astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(np.asarray(source.convert("L")).astype(np.float32) / 255)
    else:
        image = source.convert(mode)
    result = pipeline.score(image, draws=1, size=16)
    assert math.isfinite(result.log_prob)
    assert result.map.shape == (2, 2)


def test_picture_may_be_a_path_an_array_or_a_tensor(pipeline: Pipeline, tmp_path: Path) -> None:
    image = gradient(32, 16)
    image.save(tmp_path / "a.png")
    array = np.array(image)
    expected = pipeline.score(image, draws=1, size=16)
    latents, noise = pipeline.encode(image), pipeline.reconstruct(image).noise
    for given in (str(tmp_path / "a.png"), tmp_path / "a.png", array, torch.from_numpy(array).permute(2, 0, 1)):
        assert pipeline.score(given, draws=1, size=16).log_prob == expected.log_prob
        assert torch.equal(pipeline.encode(given), latents)
        assert torch.equal(pipeline.reconstruct(given).noise, noise)


def test_several_seeds_give_the_pictures_of_each(pipeline: Pipeline) -> None:
    several = pipeline.generate("cat", seed=[3, 40], count=2, **SMALL)
    single = [pipeline.generate("cat", seed=seed, **SMALL)[0] for seed in (3, 4, 40, 41)]
    assert [image.tobytes() for image in several] == [image.tobytes() for image in single]


def test_score_fits_the_picture_to_the_trained_area(pipeline: Pipeline) -> None:
    assert pipeline.score(gradient(300, 200), draws=1).map.shape == (7, 10)
    assert pipeline.fit(gradient(300, 200)).size == (80, 56)
    assert pipeline.fit(gradient(64, 64)).size == (64, 64)


def test_prompt_changes_the_score(pipeline: Pipeline) -> None:
    image = gradient()
    without, empty, given = (pipeline.score(image, prompt, draws=2) for prompt in (None, "", "cat"))
    assert without.log_prob == empty.log_prob
    assert without.log_prob != given.log_prob


def test_score_repeats(pipeline: Pipeline) -> None:
    first, again = (pipeline.score(gradient(), "cat", draws=2, seed=4) for _ in range(2))
    assert torch.equal(first.map, again.map)


@pytest.mark.parametrize("draws", [0, -1, 1.5, True, 10_001, None])
def test_other_numbers_of_draws_are_refused(pipeline: Pipeline, draws: Any) -> None:
    with pytest.raises(ValueError, match=r"draws is .*; it must be a whole number from 1 to 10000"):
        pipeline.score(gradient(), draws=draws)


# Prompt match


def test_prompts_of_a_picture_are_told_apart(pipeline: Pipeline) -> None:
    heart = pipeline.generate("a red heart", seed=3)[0]
    found = pipeline.match(heart, ["a green frog", "a red heart", "a blue car"], draws=2)
    assert found.best == "a red heart"
    assert found.prompts == ("a green frog", "a red heart", "a blue car")
    assert float(found.posterior.sum()) == pytest.approx(1)
    given, alone = (pipeline.score(heart, prompt, draws=2).log_prob for prompt in ("a red heart", None))
    assert float(found.scores[1]) == pytest.approx(given - alone, abs=0.05)
    assert found.maps.shape == (3, 8, 8)


def test_empty_prompt_says_nothing(pipeline: Pipeline) -> None:
    assert float(pipeline.match(gradient(), [""], draws=1).scores[0]) == 0


@pytest.mark.parametrize("prompts", [[], (), "a red heart"])
def test_match_without_a_list_of_prompts_is_refused(pipeline: Pipeline, prompts: Any) -> None:
    with pytest.raises(ValueError, match="must be a list of at least one prompt"):
        pipeline.match(gradient(), prompts)


def test_best_of_several_is_the_one_that_its_prompt_explains_best(pipeline: Pipeline) -> None:
    """Of those that its seeds give alone, for each picture; in one batch or in several."""
    prompts = ["cat", "a red heart"]
    settings: dict[str, Any] = {"seed": 5, "temperature": 1.0, "size": 32}
    kept = list(pipeline.pictures(prompts, Sampling(count=2, best_of=3, **settings)))
    assert [(picture.prompt, picture.asked) for picture in kept] == [(p, s) for p in prompts for s in (5, 8)]
    for picture in kept:
        candidates = pipeline.generate_latents(picture.prompt, count=3, **settings | {"seed": picture.asked})
        condition = pipeline.condition(["", picture.prompt])
        found = log_probs(pipeline.flow, candidates, condition, range(4)).log_prob
        place = int((found[:, 1] - found[:, 0]).argmax())
        assert picture.seed == picture.asked + place
        assert difference(picture.image, pipeline.decode(candidates[place : place + 1])[0]) <= 1


def test_candidates_that_overflow_are_not_chosen(pipeline: Pipeline) -> None:
    x = pipeline.generate_latents("cat", count=3, **SMALL)
    x[0], x[1] = math.nan, 1e30
    assert best(pipeline.flow, x, pipeline.condition(["", "cat"]), clean=True) == 2


@pytest.mark.parametrize("best_of", [0, 65, True, 1.0])
def test_other_numbers_of_candidates_are_refused(pipeline: Pipeline, best_of: Any) -> None:
    with pytest.raises(ValueError, match=r"best_of is .* from 1 to 64"):
        pipeline.generate("cat", best_of=best_of)


def test_extreme_aspect_ratio_is_refused_unless_a_size_is_given(pipeline: Pipeline) -> None:
    with pytest.raises(ValueError, match="Crop it first"):
        pipeline.score(gradient(500, 10))
    assert pipeline.score(gradient(500, 10), draws=1, size=16).map.shape == (2, 2)


# Reconstructions


@pytest.mark.parametrize("prompt", ["", "cat"])
def test_picture_comes_back_from_noise(pipeline: Pipeline, prompt: str) -> None:
    result = pipeline.reconstruct(gradient(), prompt)
    assert result.latent_error < 1e-4
    assert result.image.size == (64, 64)
    assert math.isfinite(result.psnr)
    assert result.noise.shape == (pipeline.flow.config.in_channels, 8, 8)


def test_noise_of_a_reconstruction_is_that_of_the_flow(pipeline: Pipeline) -> None:
    text = pipeline.condition([""])
    result = pipeline.reconstruct(gradient(), size=16)
    assert torch.equal(result.noise[None], pipeline.flow(pipeline.encode(gradient(), size=16), text).z)


# Progress and cancellation


@pytest.mark.parametrize("sampler", [Sequential(), Jacobi(), Jacobi(block_size=2)], ids=str)
def test_progress_never_falls_and_ends_at_the_total(
    pipeline: Pipeline, sampler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_module, "BATCH", 2)
    steps: list[Progress] = []
    pipeline.generate("cat", count=3, sampler=sampler, progress=steps.append, **SMALL)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] == steps[-1].total
    assert {step.total for step in steps} == {2 * 4 * sum(len(block.attn_blocks) for block in pipeline.flow.blocks)}
    assert steps[0].partial().shape == (2, pipeline.flow.config.in_channels, 2, 2)


def test_partial_results_can_be_decoded(pipeline: Pipeline) -> None:
    pictures: list[Image.Image] = []
    pipeline.generate("cat", progress=lambda step: pictures.extend(pipeline.decode(step.partial())), **SMALL)
    assert {picture.size for picture in pictures} == {(16, 16)}


def test_pipeline_is_usable_after_a_cancellation(pipeline: Pipeline) -> None:
    before = pipeline.generate_latents("cat", **SMALL)

    def cancel(step: Progress) -> None:
        if step.done > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.generate("cat", progress=cancel, **SMALL)
    assert not torch.is_inference_mode_enabled()
    assert torch.equal(pipeline.generate_latents("cat", **SMALL), before)


def test_two_threads_give_the_pictures_of_one(pipeline: Pipeline) -> None:
    prompts = ["a red heart", "a blue car"]

    def draw(prompt: str) -> Image.Image:
        return pipeline.generate(prompt, size=32)[0]

    alone = [draw(prompt) for prompt in prompts]
    pipeline.text_encoder._remembered.clear()
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        together = list(threads.map(draw, prompts * 2))
    for i, image in enumerate(together):
        assert difference(image, alone[i % 2]) == 0


def test_no_parameter_changes_or_gets_a_gradient(pipeline: Pipeline) -> None:
    before = {name: tensor.clone() for name, tensor in pipeline.flow.state_dict().items()}
    pipeline.generate("cat", size=16)
    pipeline.score(gradient(), size=16, draws=1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in pipeline.flow.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in pipeline.flow.parameters())


# Construction


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("guidance", value) for value in (-1, "3", math.nan)),
        *(("temperature", value) for value in (-1, "1", math.nan, 3)),
        *(("iterations", value) for value in ([0, 1, 1, 1], ["many"], 3)),
        ("denoise", "yes"),
        ("steps", 50),
    ],
)
def test_wrong_defaults_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        SamplingDefaults.from_dict({name: value})


@pytest.mark.parametrize("options", [{"guided": "a"}, {"annealed": True}, {"attention_temperature": 2.0}])
def test_options_of_a_tarflows_guidance_are_refused(pipeline: Pipeline, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"STARFlow has a strength and no {next(iter(options))}"):
        pipeline.generate("cat", **options, **SMALL)
    with pytest.raises(ValueError, match=f"STARFlow has a strength and no {next(iter(options))}"):
        Pipeline(
            pipeline.flow, pipeline.autoencoder, pipeline.text_encoder, defaults=SamplingDefaults.from_dict(options)
        )


def test_classes_of_a_flow_that_knows_none_are_refused(pipeline: Pipeline) -> None:
    with pytest.raises(ValueError, match="classes must hold 0 names"):
        Pipeline(pipeline.flow, pipeline.autoencoder, pipeline.text_encoder, classes=Classes(("cat",)))


def test_flow_of_latents_without_an_autoencoder_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(ValueError, match="a flow of latents, and goes with an autoencoder"):
        Pipeline(pipeline.flow, None, pipeline.text_encoder)


def test_iterations_of_another_flow_are_refused(pipeline: Pipeline) -> None:
    defaults = SamplingDefaults(iterations=(1, 1))
    with pytest.raises(ValueError, match="2 counts; the flow has 4 blocks"):
        Pipeline(pipeline.flow, pipeline.autoencoder, pipeline.text_encoder, defaults=defaults)


@pytest.fixture(scope="module")
def wordless(pipeline: Pipeline) -> Pipeline:
    """A model that knows no text."""
    from tiny import random_flow

    config: Any = pipeline.flow.config
    config = dataclasses.replace(config, txt_size=0, txt_dim=0, channels=64, layers_per_block=(1,) * 4)
    return Pipeline(
        random_flow(config), pipeline.autoencoder, None, name="wordless", defaults=SamplingDefaults(guidance=2.0)
    )


def test_model_without_text_draws_and_scores(wordless: Pipeline) -> None:
    assert wordless.generate("anything", size=16)[0].size == (16, 16)
    assert math.isfinite(wordless.score(gradient(), draws=1).log_prob)
    assert wordless.reconstruct(gradient(), size=16).latent_error < 1e-3


def test_best_picture_of_a_model_without_text_is_the_likeliest(wordless: Pipeline) -> None:
    settings: dict[str, Any] = {"count": 3, "size": 16, "temperature": 1.0}
    candidates = wordless.generate_latents("", **settings)
    clean = wordless.denoises(Sampling())
    likeliest = log_probs(wordless.flow, candidates, None, range(4) if clean else None).log_prob[:, 0].argmax()
    (kept,) = wordless.pictures("", Sampling(best_of=3, **{**settings, "count": 1}))
    assert kept.seed == int(likeliest)


def test_model_without_text_matches_nothing(wordless: Pipeline) -> None:
    with pytest.raises(ValueError, match="knows no prompts; choose a model of prompts or classes"):
        wordless.match(gradient(), ["cat"])


def test_model_without_text_refuses_a_prompt_to_score_with(wordless: Pipeline) -> None:
    with pytest.raises(ValueError, match="'wordless' knows no prompts"):
        wordless.score(gradient(), "cat")


def test_what_is_not_read_of_a_prompt_is_a_warning_at_the_line_that_asked(pipeline: Pipeline) -> None:
    with pytest.warns(PromptWarning, match="“xyzzy”, “plugh”") as told:
        pipeline.generate(["a xyzzy plugh cat", "a cat", "a xyzzy plugh cat"], size=16)
    assert [warning.filename for warning in told] == [__file__]  # once
    with pytest.warns(PromptWarning, match="No word of “xyzzy”") as told:
        pipeline.score(Image.new("RGB", (16, 16)), "xyzzy", draws=1, size=16)
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.generate("a cat", size=16)
