"""The nodes, run by a host of their own, without ComfyUI."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from node_runs import BY_ID, run

from nodes import conditions, convert, locales
from nodes.catalogue import NODES
from nodes.declaration import REQUIRED, Choice, Flag, Node, Number, Seed, Socket, Text
from nodes.local_host import LocalHost
from nodes.values import Model
from starflow_core import PromptWarning
from starflow_core.samplers import Progress
from starflow_core.weights.model_folder import load

# What workflows rely on: never change, only append.
FROZEN = {
    "STARFlowLoader": ["model", "dtype", "accept_licence"],
    "STARFlowLora": ["model", "lora", "strength"],
    "STARFlowTextEncode": ["text_encoder", "text"],
    "STARFlowClassLabel": ["model", "name", "class_name"],
    "STARFlowSampler": [
        *("model", "positive", "negative", "noise", "seed", "guidance", "aspect_ratio", "width", "height"),
        *("batch_size", "sampler", "tolerance", "temperature", "denoise", "variation", "latent", "strength"),
    ],
    "STARFlowMorph": [
        *("model", "first", "second", "first_conditioning", "second_conditioning", "frames", "sampler", "tolerance"),
        "temperature",
    ],
    "STARFlowInpaint": [
        *("model", "image", "latent", "mask", "positive", "negative", "seed", "count", "rounds", "steps"),
        *("temperature", "guidance", "feather"),
    ],
    "STARFlowAscent": ["model", "image", "latent", "conditioning", "strength", "steps", "goal", "seed"],
    "STARFlowDecode": ["model", "latent"],
    "STARFlowEncode": ["model", "image"],
    "STARFlowLikelihood": ["model", "image", "latent", "conditioning", "draws", "seed"],
    "STARFlowMatch": ["model", "image", "prompts", "draws", "seed"],
    "STARFlowPickLikeliest": ["model", "image", "conditioning", "count", "draws", "seed"],
    "STARFlowAnomalyFit": ["model", "image", "false_positive_rate", "draws", "seed"],
    "STARFlowAnomalyLoad": ["model", "file"],
    "STARFlowAnomalyScore": ["anomaly", "image"],
    "STARFlowConfidence": ["model", "image", "conditioning", "draws", "seed"],
    "STARFlowInvert": ["model", "image", "latent", "conditioning"],
    "STARFlowCompress": ["image", "mask", "filename_prefix", "model", "quality", "iterations"],
    "STARFlowDecompress": ["file", "model"],
}


# Declarations


def test_ids_and_inputs_are_those_that_workflows_hold() -> None:
    assert {node.id: [given.name for given in node.inputs] for node in NODES} == FROZEN


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.id)
def test_everything_is_explained(node: Node) -> None:
    assert len(node.help) > 20
    assert node.title.startswith("STARFlow ")
    assert all(given.field.help for given in node.inputs)
    assert next(iter(inspect.signature(node.function).parameters)) == "host"


def test_nodes_are_found_by_other_words() -> None:
    known = {node.id: node for node in NODES}
    assert all("normalizing flow" in node.aliases for node in NODES)
    assert "inversion" in known["STARFlowInvert"].aliases
    assert {"heatmap", "log likelihood"} <= set(known["STARFlowLikelihood"].aliases)
    assert {node.id: node.essentials for node in NODES if node.essentials} == {
        "STARFlowSampler": "Image Generation",
        "STARFlowLikelihood": "Image Tools",
    }
    assert {node.category for node in NODES} == {
        *("loaders", "conditioning", "sampling", "latent", "insight", "compression")
    }
    assert known["STARFlowInvert"].category == known["STARFlowLikelihood"].category == "insight"
    lists = {node.id: [output.name for output in node.outputs if output.is_list] for node in NODES}
    assert {name: listed for name, listed in lists.items() if listed} == {
        "STARFlowLikelihood": ["log_prob_each", "bits_per_dim_each", "in_words"],
        "STARFlowInpaint": ["log_prob"],
        "STARFlowAscent": ["log_prob_before", "log_prob_after"],
        "STARFlowMatch": ["best", "score", "probability"],
        "STARFlowPickLikeliest": ["score"],
        "STARFlowAnomalyScore": ["score", "p_value"],
        "STARFlowConfidence": ["confidence_each"],
        "STARFlowCompress": ["file", "bits_per_dim"],
    }


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.id)
def test_defaults_are_within_their_limits(node: Node) -> None:
    for given in node.inputs:
        field = given.field
        if isinstance(field, Socket):
            assert given.default in (REQUIRED, None)
        elif isinstance(field, Number):
            assert field.least <= given.default <= field.most
            assert isinstance(given.default, int) == isinstance(field.step, int)
        elif isinstance(field, Choice):
            assert given.default in field.names()
        else:
            assert isinstance(given.default, {Seed: int, Text: str, Flag: bool}[type(field)])


# Pictures


def test_picture_is_that_of_the_pipeline(starflow: tuple[Model, Any]) -> None:
    model, encoder = starflow
    positive, negative = (run("TextEncode", text_encoder=encoder, text=text) for text in ("red heart", ""))
    latent = run("Sampler", model=model, positive=positive, negative=negative, seed=7, batch_size=2)
    image = run("Decode", model=model, latent=latent)
    expected = load("starflow-mini", device="cpu").generate("red heart", seed=7, count=2)
    found = (image.numpy() * 255).round().astype(np.uint8)
    assert (found == np.stack([np.asarray(picture) for picture in expected])).all()


def test_picture_of_a_class_is_that_of_the_pipeline(tarflow: Model) -> None:
    label = run("ClassLabel", model=tarflow, name="cat")
    image = run("Decode", model=tarflow, latent=run("Sampler", model=tarflow, positive=label, seed=3))
    expected = load("tarflow-mini", device="cpu").generate("cat", seed=3)[0]
    assert ((image[0].numpy() * 255).round().astype(np.uint8) == np.asarray(expected)).all()


def test_latents_are_not_scaled_for_the_flow(starflow: tuple[Model, Any]) -> None:
    model, encoder = starflow
    text = run("TextEncode", text_encoder=encoder, text="red heart")
    latent = run("Sampler", model=model, positive=text, negative=text, denoise="off")["samples"]
    expected = load("starflow-mini", device="cpu").generate_latents("red heart", negative="red heart", denoise=False)
    torch.testing.assert_close(latent * model.pipeline.autoencoder.config.scaling_factor, expected)


@pytest.mark.parametrize(("ratio", "size"), [("3:2", (80, 56)), ("9:16", (48, 88)), ("width and height", (72, 48))])
def test_sizes_are_of_the_aspect_ratio(starflow: tuple[Model, Any], ratio: str, size: tuple[int, int]) -> None:
    model, encoder = starflow
    text = run("TextEncode", text_encoder=encoder, text="red heart")
    where = {"aspect_ratio": ratio, "width": 72, "height": 48, "denoise": "off", "guidance": 0.0}
    samples = run("Sampler", model=model, positive=text, **where)["samples"]
    assert (samples.shape[-1] * 8, samples.shape[-2] * 8) == size


def test_words_that_are_not_understood_are_told(starflow: tuple[Model, Any]) -> None:
    _, encoder = starflow
    with pytest.warns(PromptWarning, match="Not understood in “red xyzzy”: “xyzzy”"):
        run("TextEncode", text_encoder=encoder, text="red xyzzy")


def test_temperature_scales_the_noise(starflow: tuple[Model, Any]) -> None:
    model, encoder = starflow
    text = run("TextEncode", text_encoder=encoder, text="red heart")
    first, second = (
        run("Sampler", model=model, positive=text, guidance=0.0, denoise="off", temperature=0.0, seed=seed)["samples"]
        for seed in (1, 2)
    )
    assert torch.equal(first, second)


def test_temperature_is_by_default_the_models_own(starflow: tuple[Model, Any]) -> None:
    model, encoder = starflow
    text = run("TextEncode", text_encoder=encoder, text="red heart")
    by_default, own, other = (
        run("Sampler", model=model, positive=text, guidance=0.0, denoise="off", **given)["samples"]
        for given in ({}, {"temperature": model.pipeline.defaults.temperature}, {"temperature": 0.9})
    )
    assert torch.equal(by_default, own)
    assert not torch.equal(by_default, other)
    with pytest.raises(ValueError, match=r"temperature is -0\.5; it must be a number from 0 to 2"):
        run("Sampler", model=model, positive=text, guidance=0.0, temperature=-0.5)


def test_every_step_is_reported_and_can_be_cancelled(starflow: tuple[Model, Any]) -> None:
    model, encoder = starflow
    text = run("TextEncode", text_encoder=encoder, text="red heart")

    class Cancelled(Exception):
        pass

    seen: list[Progress] = []

    def cancel(step: Progress) -> None:
        seen.append(step)
        if len(seen) == 5:
            raise Cancelled

    node = BY_ID["STARFlowSampler"]
    defaults = {given.name: given.default for given in node.inputs if not given.is_required}
    with pytest.raises(Cancelled):
        node(LocalHost(cancel), **defaults | {"model": model, "positive": text, "negative": text})
    assert [step.done for step in seen] == sorted(step.done for step in seen)
    assert seen[-1].partial().shape == (1, 16, 8, 8)


# There and back


@pytest.mark.parametrize("kind", ["starflow", "tarflow"])
def test_inverted_picture_comes_back(kind: str, request: pytest.FixtureRequest) -> None:
    if kind == "starflow":
        model, encoder = request.getfixturevalue(kind)
        given = run("TextEncode", text_encoder=encoder, text="red heart")
    else:
        model = request.getfixturevalue(kind)
        given = run("ClassLabel", model=model, name="cat")
    image = torch.rand(2, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    latent = run("Encode", model=model, image=image)
    noise = run("Invert", model=model, latent=latent, conditioning=given)
    back = run("Sampler", model=model, positive=given, noise=noise, guidance=0.0, sampler="sequential")
    torch.testing.assert_close(back["samples"], latent["samples"], rtol=1e-3, atol=1e-3)


def test_variation_leaves_the_picture_more_the_stronger_it_is(starflow: tuple[Model, Any]) -> None:
    model, encoder = starflow
    given = run("TextEncode", text_encoder=encoder, text="red heart")
    latent = run("Sampler", model=model, positive=given, guidance=0.0, seed=1)
    noise = run("Invert", model=model, latent=latent, conditioning=given)

    def distance(variation: float, seed: int = 0) -> float:
        settings = {"positive": given, "noise": noise, "guidance": 0.0, "variation": variation, "seed": seed}
        found = run("Sampler", model=model, sampler="sequential", **settings)["samples"]
        return float((found - latent["samples"]).norm() / latent["samples"].norm())

    assert distance(0) < 1e-4
    assert 0.01 < distance(0.1) < distance(0.5) < distance(1)
    assert distance(0.5, seed=1) != distance(0.5, seed=2)


def test_image_and_latent_give_the_same_noise(starflow: tuple[Model, Any]) -> None:
    model, encoder = starflow
    text = run("TextEncode", text_encoder=encoder, text="")
    image = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    latent = run("Encode", model=model, image=image)
    first = run("Invert", model=model, image=image, conditioning=text)["samples"]
    torch.testing.assert_close(run("Invert", model=model, latent=latent, conditioning=text)["samples"], first)


# Likelihood


def test_likelihood_is_that_of_the_pipeline(starflow: tuple[Model, Any]) -> None:
    model, encoder = starflow
    text = run("TextEncode", text_encoder=encoder, text="red heart")
    pipeline = load("starflow-mini", device="cpu")
    picture = pipeline.generate("red heart")[0]
    log_prob, bits, heatmap, mask, log_probs, all_bits, words = run(
        "Likelihood", model=model, image=convert.image([picture]), conditioning=text, draws=3, seed=5
    )
    expected = pipeline.score(picture, "red heart", draws=3, seed=5)
    assert log_prob == pytest.approx(expected.log_prob, rel=1e-4)
    assert bits == pytest.approx(expected.bits_per_dim, abs=1e-4)
    assert heatmap.shape == (1, 64, 64, 3)
    assert mask.shape == (1, 64, 64)
    assert (log_probs, all_bits) == ([log_prob], [bits])
    assert words == [str(expected.standing)]
    assert "likel" in words[0]
    assert mask.max() == 0  # nothing is odd about a picture of the model's own


def test_likelihood_of_several_pictures_is_their_mean(tarflow: Model) -> None:
    images = torch.rand(2, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    both = run("Likelihood", model=tarflow, image=images)
    alone = [run("Likelihood", model=tarflow, image=images[i : i + 1]) for i in range(2)]
    assert both[0] == pytest.approx(sum(one[0] for one in alone) / 2, rel=1e-5)
    assert both[1] == pytest.approx(sum(one[1] for one in alone) / 2, rel=1e-5)
    assert both[4] == pytest.approx([one[0] for one in alone], rel=1e-5)
    assert both[5] == pytest.approx([one[1] for one in alone], rel=1e-5)
    assert both[2].shape == (2, 32, 32, 3)


def test_likelihood_is_told_in_words_under_its_own_condition(tarflow: Model) -> None:
    images = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    picture = convert.pictures(images)[0]
    pipeline = load("tarflow-mini", device="cpu")
    for name in ("cat", ""):
        label = run("ClassLabel", model=tarflow, name=name)
        [words] = run("Likelihood", model=tarflow, image=images, conditioning=label)[6]
        assert words == str(pipeline.score(picture, name or None).standing)
        assert words


def test_empty_prompt_says_nothing_of_a_picture(starflow: tuple[Model, Any]) -> None:
    model, encoder = starflow
    asked = {text: run("TextEncode", text_encoder=encoder, text=text) for text in ("", "cat")}
    said = {text: conditions.says_something(LocalHost(), model, given) for text, given in asked.items()}
    assert said == {"": False, "cat": True}
    assert not conditions.says_something(LocalHost(), model, None)


def test_likelihood_of_another_size_is_not_told_in_words(starflow: tuple[Model, Any]) -> None:
    model, _ = starflow
    images = torch.rand(1, 48, 96, 3, generator=torch.Generator().manual_seed(0))
    assert run("Likelihood", model=model, image=images, draws=1)[6] == [""]


# What does not fit


def test_wrong_connections_are_told(starflow: tuple[Model, Any], tarflow: Model) -> None:
    model, encoder = starflow
    text, label = run("TextEncode", text_encoder=encoder, text="x"), run("ClassLabel", model=tarflow, name="cat")
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    for name, values, told in (
        ("TextEncode", {"text_encoder": None}, "STARFlow Class Label"),
        ("ClassLabel", {"model": model}, "STARFlow Text Encode"),
        ("ClassLabel", {"model": tarflow, "name": "zebra"}, "cat"),
        ("Sampler", {"model": model, "positive": label}, "STARFlow Text Encode of starflow-mini"),
        ("Sampler", {"model": tarflow, "positive": text}, "STARFlow Class Label of tarflow-mini"),
        ("Sampler", {"model": model, "positive": [[torch.zeros(1, 77, 768), {}]]}, "another kind of model"),
        ("Sampler", {"model": model, "positive": text * 2}, "2 conditionings"),
        ("Sampler", {"model": model, "positive": text, "noise": latent}, "STARFlow Invert"),
        ("Decode", {"model": model, "latent": latent}, "STARFlow Encode"),
        ("Likelihood", {"model": model, "latent": latent}, "STARFlow Encode"),
        ("Likelihood", {"model": model}, "an image or a latent"),
        ("Invert", {"model": model, "latent": latent, "image": torch.zeros(1, 8, 8, 3)}, "not both"),
    ):
        with pytest.raises(ValueError, match=told):
            run(name, **values)


def test_noise_is_not_taken_for_a_latent_nor_for_another_models(starflow: tuple[Model, Any], tarflow: Model) -> None:
    model, encoder = starflow
    text = run("TextEncode", text_encoder=encoder, text="")
    noise = run("Invert", model=model, image=torch.rand(1, 64, 64, 3), conditioning=text)
    with pytest.raises(ValueError, match="noise of STARFlow Sampler"):
        run("Decode", model=model, latent=noise)
    with pytest.raises(ValueError, match="of the model starflow-mini"):
        run("Sampler", model=tarflow, noise=noise)


def test_unknown_model_is_told() -> None:
    with pytest.raises(ValueError, match="Model is 'nobody', and must be one of starflow-mini, "):
        run("Loader", model="nobody")


# Texts

ROOT = Path(__file__).parent.parent.parent


def names(texts: Any) -> Any:
    """The structure of a translation, without its words."""
    return {key: names(value) for key, value in texts.items()} if isinstance(texts, dict) else None


def test_english_texts_are_those_of_the_declarations() -> None:
    assert (ROOT / "locales" / "en" / "nodeDefs.json").read_text() == locales.english(), "run python -m nodes.locales"


TRANSLATIONS = sorted(
    path.parent.name for path in (ROOT / "locales").glob("*/nodeDefs.json") if path.parent.name != "en"
)


def texts(translation: Any) -> list[str]:
    """All strings of a translation."""
    return (
        [text for value in translation.values() for text in texts(value)]
        if isinstance(translation, dict)
        else [translation]
    )


def test_there_are_translations() -> None:
    assert TRANSLATIONS == ["de", "es", "fr", "id", "ja", "ko", "zh"]


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_translation_has_everything_and_nothing_more(language: str) -> None:
    found = json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))
    english = json.loads(locales.english())
    assert names(found) == names(english)
    assert all(text.strip() for text in texts(found))
    for node_id, node in english.items():  # sentences are translated, whatever words languages share
        assert found[node_id]["description"] != node["description"]
        for name, given in node["inputs"].items():
            assert found[node_id]["inputs"][name]["tooltip"] != given["tooltip"]


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.id)
def test_help_page_names_every_input_and_output(node: Node) -> None:
    page = (ROOT / "web" / "docs" / f"{node.id}.md").read_text()
    assert page.startswith(f"# {node.title}\n")
    for given in node.inputs:
        assert f"**{given.name}**" in page
    for output in node.outputs:
        assert f"**{output.name.replace('_', ' ')}**" in page


def test_example_graphs_have_an_api_form_and_a_picture_each() -> None:
    workflows = {path.stem for path in (ROOT / "workflows").glob("*.json")}
    assert workflows == {path.stem for path in (ROOT / "tests" / "data" / "workflows").glob("*.json")}
    assert workflows == {path.stem for path in (ROOT / "workflows").glob("*.jpg")}
    assert len(workflows) >= 5


def test_requirements_replace_nothing_that_comfyui_has() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert not [
        line for line in wanted if line.startswith(("torch", "gradio", "diffusers")) or "==" in line or "<" in line
    ]
