from __future__ import annotations

import dataclasses
import functools
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny import TINY_TARFLOW, random_flow
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

import starflow_core
from starflow_core.codecs.autoencoder import Autoencoder, AutoencoderConfig
from starflow_core.codecs.classes import Classes
from starflow_core.codecs.text_encoder import TextEncoder
from starflow_core.flow.config import StarFlowConfig
from starflow_core.insight.reference import Reference
from starflow_core.pipeline import Pipeline
from starflow_core.sampling import SamplingDefaults
from starflow_core.weights.model_folder import (
    DEFAULT_MODEL,
    EMBEDDED,
    VAE_WEIGHTS,
    WEIGHTS,
    checked_device,
    embedded_models,
    load,
    model_folder,
    save,
)

FLOW = StarFlowConfig(
    in_channels=4,
    img_size=4,
    channels=40,
    num_blocks=2,
    layers_per_block=(1, 1),
    head_dim=20,
    txt_size=3,
    txt_dim=16,
    soft_clip=4.0,
    noise_std=0.25,
)
AUTOENCODER = AutoencoderConfig((8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=4, scaling_factor=0.5)
FILES = [
    "config.json",
    WEIGHTS,
    "vae/config.json",
    f"vae/{VAE_WEIGHTS}",
    "text_encoder/config.json",
    f"text_encoder/{WEIGHTS}",
    "tokenizer/tokenizer.json",
]


def new_text_encoder(width: int = 16) -> TextEncoder:
    words = Tokenizer(WordLevel({"<pad>": 0, "</s>": 1, "<unk>": 2, "cat": 3}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    config = T5Config(vocab_size=4, d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2, pad_token_id=0)
    return TextEncoder(T5EncoderModel(config).eval().requires_grad_(False), tokenizer, FLOW.txt_size)


@functools.cache
def small_pipeline() -> Pipeline:
    torch.manual_seed(0)
    autoencoder = Autoencoder(AUTOENCODER).eval().requires_grad_(False)
    return Pipeline(
        random_flow(FLOW),
        autoencoder,
        new_text_encoder(),
        name="small",
        defaults=SamplingDefaults(guidance=1.5, denoise=True, temperature=0.7),
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small"
    save(small_pipeline(), folder, dtype=torch.float32)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A model folder to spoil."""
    return Path(shutil.copytree(saved, tmp_path / "small"))


def small_load(folder: Path, **kwargs: Any) -> Pipeline:
    return load(folder, **{"device": "cpu", "dtype": torch.float32, **kwargs})


def refused(folder: Path, *mentioned: str) -> str:
    """What `load` says about a folder; it must name everything `mentioned`."""
    with pytest.raises(ValueError, match=r".") as caught:
        small_load(folder)
    message = str(caught.value)
    for part in mentioned:
        assert part in message, message
    assert len(message) < 2000
    return message


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


# Round trips


def test_saved_model_draws_and_scores_as_before(folder: Path) -> None:
    before, after = small_pipeline(), small_load(folder)
    assert after.name == "small"
    assert (after.flow.config, after.autoencoder.config) == (FLOW, AUTOENCODER)
    assert after.defaults == before.defaults == SamplingDefaults(guidance=1.5, denoise=True, temperature=0.7)
    assert torch.equal(after.generate_latents("cat", seed=2), before.generate_latents("cat", seed=2))
    image = Image.effect_noise((8, 8), 60)
    assert after.score(image, "cat").log_prob == before.score(image, "cat").log_prob


def small_reference(pipeline: Pipeline, mean: float = 0.0) -> Reference:
    values = [mean + number for number in range(50)]
    return Reference.of(pipeline.flow, values, values, pictures="noise", size=(8, 8), draws=1, seed=0)


def test_reference_goes_with_the_model(tmp_path: Path) -> None:
    pipeline = Pipeline(random_flow(FLOW), small_pipeline().autoencoder, new_text_encoder())
    pipeline.reference = small_reference(pipeline)
    save(pipeline, tmp_path / "model")
    assert small_load(tmp_path / "model").reference == pipeline.reference
    save(small_load(tmp_path / "model"), tmp_path / "halved", dtype=torch.bfloat16)
    assert small_load(tmp_path / "halved").reference == pipeline.reference
    assert small_load(tmp_path / "halved", dtype=torch.bfloat16).reference == pipeline.reference


def test_reference_of_other_weights_says_nothing_and_is_not_kept(folder: Path, tmp_path: Path) -> None:
    trained = Pipeline(random_flow(FLOW, seed=1), small_pipeline().autoencoder, new_text_encoder())
    stale = small_reference(small_pipeline())
    trained.reference = stale
    save(trained, tmp_path / "trained")
    assert not (tmp_path / "trained" / "reference.json").exists()
    stale.save(tmp_path / "trained")
    assert small_load(tmp_path / "trained").reference is None
    stale.save(folder)
    assert small_load(folder).reference == stale
    save(trained, folder)  # over another model's folder
    assert not (folder / "reference.json").exists()


def test_model_without_a_reference_loads_and_scores(folder: Path) -> None:
    assert not (folder / "reference.json").exists()
    loaded = small_load(folder)
    assert loaded.reference is None
    assert loaded.score(Image.effect_noise((8, 8), 60)).standing is None


def test_damaged_reference_is_refused_in_a_sentence(folder: Path) -> None:
    (folder / "reference.json").write_text('{"format": "starflow-reference-1", "quantiles": [NaN]}')
    assert "starflow reference" in refused(folder, "reference.json")


def test_all_files_are_written(folder: Path) -> None:
    assert all((folder / file).is_file() for file in FILES)


def test_model_without_text_is_saved_and_loaded(tmp_path: Path) -> None:
    config = StarFlowConfig.from_dict(FLOW.to_dict() | {"txt_size": 0, "txt_dim": 0})
    save(Pipeline(random_flow(config), small_pipeline().autoencoder, None), tmp_path / "wordless")
    loaded = small_load(tmp_path / "wordless")
    assert loaded.text_encoder is None
    assert loaded.generate("")[0].size == (8, 8)


def test_saving_changes_nothing_about_the_pipeline(tmp_path: Path) -> None:
    pipeline = Pipeline(random_flow(FLOW), small_pipeline().autoencoder, new_text_encoder())
    before = pipeline.generate_latents("cat")
    save(pipeline, tmp_path / "copy", dtype=torch.bfloat16)
    assert pipeline.text_encoder is not None
    assert pipeline.text_encoder.model.dtype == torch.float32
    pipeline.text_encoder._remembered.clear()
    assert torch.equal(pipeline.generate_latents("cat"), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_weights_are_saved_as_they_are(dtype: torch.dtype, tmp_path: Path) -> None:
    pipeline = Pipeline(random_flow(FLOW).to(dtype), small_pipeline().autoencoder, new_text_encoder())
    starflow_core.save(pipeline, str(tmp_path / "copy"))
    stored = {
        **load_file(tmp_path / "copy" / WEIGHTS),
        **{f"vae.{name}": w for name, w in load_file(tmp_path / "copy" / "vae" / VAE_WEIGHTS).items()},
    }
    parts = {**pipeline.flow.state_dict(), **{f"vae.{n}": w for n, w in pipeline.autoencoder.state_dict().items()}}
    assert stored.keys() == parts.keys()
    for name, tensor in parts.items():
        assert stored[name].dtype == tensor.dtype
        assert torch.equal(stored[name], tensor), name
    before = pipeline.generate_latents("cat", seed=3)
    loaded = load(tmp_path / "copy", device="cpu", dtype={"flow": dtype, "text_encoder": torch.float32})
    assert torch.equal(loaded.generate_latents("cat", seed=3), before)


def test_parts_are_loaded_each_in_its_dtype(folder: Path) -> None:
    dtypes = {"flow": torch.bfloat16, "text_encoder": torch.float32, "autoencoder": torch.float16}
    pipeline = load(folder, device="cpu", dtype=dtypes)
    assert (pipeline.flow.dtype, pipeline.autoencoder.dtype) == (torch.bfloat16, torch.float16)
    assert pipeline.flow.blocks[0].proj_in.weight.dtype == torch.bfloat16
    assert pipeline.autoencoder.encoder.conv_in.weight.dtype == torch.float16
    assert pipeline.text_encoder.model.dtype == torch.float32
    assert load(folder, device="cpu", dtype={"flow": torch.bfloat16}).autoencoder.dtype == torch.float32
    with pytest.raises(ValueError, match="dtype names vae; the parts are flow, text_encoder, autoencoder"):
        load(folder, device="cpu", dtype={"vae": torch.bfloat16})


@pytest.mark.parametrize(("noise_std", "dtype"), [(0.0, torch.float32), (0.1, torch.bfloat16)])
def test_flow_of_8_bit_pictures_is_float32_where_others_are_bfloat16(
    noise_std: float, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = random_flow(dataclasses.replace(TINY_TARFLOW, num_classes=0, noise_std=noise_std))
    save(Pipeline(flow, None, None), tmp_path / "model")
    monkeypatch.setattr("starflow_core.weights.model_folder.BIG_FLOW", 0)
    assert load(tmp_path / "model", device="cpu").flow.dtype == dtype


def test_model_loaded_in_inference_mode_denoises(folder: Path) -> None:
    expected = small_load(folder).generate_latents("cat", denoise=True)
    with torch.inference_mode():
        pipeline = small_load(folder)
        assert torch.equal(pipeline.generate_latents("cat", denoise=True), expected)
    assert torch.equal(pipeline.generate_latents("cat", denoise=True), expected)


def test_saving_again_replaces_the_files(folder: Path) -> None:
    save(small_pipeline(), folder, dtype=torch.bfloat16)
    assert load_file(folder / WEIGHTS)["blocks.0.proj_in.weight"].dtype == torch.bfloat16
    assert small_load(folder).generate("cat")[0].size == (8, 8)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_dtype_is_that_of_flow_and_text_encoder(folder: Path, dtype: torch.dtype) -> None:
    pipeline = small_load(folder, dtype=dtype)
    assert pipeline.flow.blocks[0].proj_in.weight.dtype == dtype
    assert pipeline.text_encoder.model.dtype == dtype
    assert pipeline.autoencoder.dtype == torch.float32
    x = pipeline.generate_latents("cat", denoise=True)
    assert x.dtype == torch.float32
    assert x.isfinite().all()
    assert pipeline.score(Image.new("RGB", (8, 8)), "cat").map.dtype == torch.float32


def test_embedded_model_is_found_by_name() -> None:
    assert DEFAULT_MODEL in embedded_models()
    assert model_folder(DEFAULT_MODEL).name == DEFAULT_MODEL


# Models of pictures


CLASSES = Classes(("cat", "dog", "wild"))
PIXEL_DEFAULTS = SamplingDefaults(guidance=1.5, denoise=True, annealed=True, attention_temperature=0.8)


def pixel_pipeline() -> Pipeline:
    return Pipeline(random_flow(TINY_TARFLOW), None, None, name="pixels", defaults=PIXEL_DEFAULTS, classes=CLASSES)


@pytest.fixture
def pixel_folder(tmp_path: Path) -> Path:
    save(pixel_pipeline(), tmp_path / "pixels", dtype=torch.float32)
    return tmp_path / "pixels"


def test_saved_model_of_pictures_draws_and_scores_as_before(pixel_folder: Path) -> None:
    before, after = pixel_pipeline(), small_load(pixel_folder)
    assert (after.name, after.flow.config, after.classes) == ("pixels", TINY_TARFLOW, CLASSES)
    assert (after.autoencoder, after.text_encoder) == (None, None)
    assert after.defaults == PIXEL_DEFAULTS
    for name, tensor in before.flow.state_dict().items():
        assert torch.equal(after.flow.state_dict()[name], tensor), name
    assert torch.equal(after.generate_latents("dog", seed=2), before.generate_latents("dog", seed=2))
    image = Image.effect_noise((8, 8), 60)
    assert after.score(image, "wild").log_prob == before.score(image, "wild").log_prob


def test_model_of_pictures_is_two_files(pixel_folder: Path) -> None:
    assert sorted(path.name for path in pixel_folder.iterdir()) == ["config.json", WEIGHTS]
    config = json.loads((pixel_folder / "config.json").read_text())
    assert config["model_type"] == "tarflow"
    assert config["classes"] == ["cat", "dog", "wild"]
    expected = {"guidance": 1.5, "denoise": True, "temperature": 1.0, "annealed": True, "attention_temperature": 0.8}
    assert config["sampling"] == expected


def test_model_of_pictures_without_classes_is_saved_and_loaded(tmp_path: Path) -> None:
    config = dataclasses.replace(TINY_TARFLOW, num_classes=0, nvp=False)
    save(Pipeline(random_flow(config), None, None), tmp_path / "plain")
    loaded = small_load(tmp_path / "plain")
    assert (loaded.classes, loaded.flow.config) == (None, config)
    assert "classes" not in json.loads((tmp_path / "plain/config.json").read_text())
    assert loaded.generate("")[0].size == (8, 8)


@pytest.mark.parametrize("classes", [["cat"], ["cat", "dog", "wild", "more"], []])
def test_wrong_number_of_classes_is_refused(pixel_folder: Path, classes: list[str]) -> None:
    edit(pixel_folder / "config.json", lambda config: config.update(classes=classes))
    refused(pixel_folder, str(pixel_folder), "classes")


def test_missing_classes_are_refused(pixel_folder: Path) -> None:
    edit(pixel_folder / "config.json", lambda config: config.pop("classes"))
    refused(pixel_folder, str(pixel_folder), "classes must hold 3 names")


@pytest.mark.parametrize(
    "classes", ["cat", None, 3, {"cat": 0}, ["cat", "dog", 3], ["cat", "dog", "CAT"], ["a", "b", ""]]
)
def test_classes_that_are_no_names_are_refused(pixel_folder: Path, classes: Any) -> None:
    edit(pixel_folder / "config.json", lambda config: config.update(classes=classes))
    refused(pixel_folder, str(pixel_folder), "classes")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("guided", "c"),
        ("guided", 3),
        ("attention_temperature", 0),
        ("attention_temperature", "hot"),
        ("annealed", "no"),
        ("iterations", [1]),
    ],
)
def test_wrong_defaults_of_a_model_of_pictures_are_refused(pixel_folder: Path, name: str, value: Any) -> None:
    edit(pixel_folder / "config.json", lambda config: config["sampling"].update({name: value}))
    refused(pixel_folder, str(pixel_folder))


def test_model_of_one_kind_is_not_loaded_as_the_other(folder: Path, pixel_folder: Path) -> None:
    edit(folder / "config.json", lambda config: config.update(model_type="tarflow"))
    refused(folder, str(folder), "Unknown")
    edit(pixel_folder / "config.json", lambda config: config.update(model_type="starflow"))
    refused(pixel_folder, str(pixel_folder))


def test_prior_of_a_model_of_pictures_must_be_there(pixel_folder: Path) -> None:
    weights = load_file(pixel_folder / WEIGHTS)
    del weights["var"]
    save_file(weights, pixel_folder / WEIGHTS)
    refused(pixel_folder, str(pixel_folder), "missing: var")


# Folders and names


@pytest.mark.parametrize("name", ["starflow-maxi", "", "../starflow-mini", "/nowhere/at/all", "a\0b"])
def test_unknown_name_is_refused_with_the_known_ones(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"There is no model|config\.json is missing|null"):
        load(name)


def test_message_about_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=rf"no model 'starflow-maxi'.*{DEFAULT_MODEL}"):
        load("starflow-maxi")


def test_file_instead_of_a_folder_is_refused(folder: Path) -> None:
    refused(folder / "config.json", "There is no model")


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, str(tmp_path / "config.json"), "missing")


@pytest.mark.parametrize("file", FILES)
def test_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    message = refused(folder, Path(file).name, str(folder))
    assert "missing" in message or "lacks" in message


@pytest.mark.parametrize("file", FILES)
def test_folder_in_place_of_a_file_is_refused(folder: Path, file: str) -> None:
    (folder / file).unlink()
    (folder / file).mkdir()
    refused(folder, str(folder))


# Configurations


@pytest.mark.parametrize("file", ["config.json", "vae/config.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 100_000, b"words", b"1" * 5000],
    ids=["empty", "cut", "list", "number", "null", "binary", "nested lists", "nested objects", "words", "long number"],
)
def test_configuration_that_is_no_object_is_refused(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)
    refused(folder, str(folder / file))


@pytest.mark.parametrize("file", ["text_encoder/config.json", "tokenizer/tokenizer.json"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b"\xff\xfe\x00", b"[" * 100_000, b"{}", b'{"model": {"type": "x"}}']
)
def test_text_files_that_are_garbage_are_refused(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)
    refused(folder, str(folder))


def test_other_model_types_are_refused(folder: Path) -> None:
    edit(folder / "config.json", lambda config: config.update(model_type="llama"))
    refused(folder, str(folder), "'llama'", "starflow, tarflow")
    edit(folder / "config.json", lambda config: config.pop("model_type"))
    refused(folder, str(folder), "'something else'", "starflow, tarflow")


@pytest.mark.parametrize(
    ("change", "mentioned"),
    [
        ({"flow": 3}, "'flow'"),
        ({"flow": None}, "'flow'"),
        ({"sampling": []}, "'sampling'"),
        ({"sampling": {"steps": 50}}, "steps"),
        ({"sampling": {"guidance": "much"}}, "guidance"),
        ({"sampling": {"guidance": -1}}, "guidance"),
        ({"sampling": {"temperature": 9}}, "temperature"),
        ({"sampling": {"name": "x"}}, "name"),
        ({"sampling": {"flow": 1}}, "flow"),
        ({"flow": {}}, "in_channels"),
    ],
)
def test_wrong_parts_of_the_configuration_are_named(folder: Path, change: dict[str, Any], mentioned: str) -> None:
    edit(folder / "config.json", lambda config: config.update(change))
    refused(folder, mentioned, str(folder))


def test_configuration_without_a_flow_is_refused(folder: Path) -> None:
    edit(folder / "config.json", lambda config: config.pop("flow"))
    refused(folder, str(folder / "config.json"), "lacks 'flow'")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", "many"),
        ("channels", 0),
        ("head_dim", 7),
        ("layers_per_block", [1]),
        ("wings", 2),
        ("img_size", None),
    ],
)
def test_wrong_configuration_of_the_flow_is_refused(folder: Path, name: str, value: Any) -> None:
    edit(folder / "config.json", lambda config: config["flow"].update({name: value}))
    refused(folder, str(folder), name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_class_name", "VQModel"),
        ("block_out_channels", "wide"),
        ("block_out_channels", [8, 9]),
        ("latent_channels", "4"),
        ("scaling_factor", 0),
        ("scaling_factor", "1"),
        ("shift_factor", 0.1),
    ],
)
def test_wrong_configuration_of_the_autoencoder_is_refused(folder: Path, name: str, value: Any) -> None:
    edit(folder / "vae/config.json", lambda config: config.update({name: value}))
    refused(folder, str(folder / "vae"))


def test_absurdly_large_flow_is_refused_before_it_takes_memory(folder: Path) -> None:
    edit(folder / "config.json", lambda config: config["flow"].update(channels=4_000_000, expansion=1000))
    refused(folder, str(folder))


# Weights


WEIGHT_FILES = [WEIGHTS, f"vae/{VAE_WEIGHTS}", f"text_encoder/{WEIGHTS}"]


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 0.5, -1])
@pytest.mark.parametrize("file", WEIGHT_FILES)
def test_weights_cut_short_are_refused(folder: Path, file: str, kept: float) -> None:
    whole = (folder / file).read_bytes()
    length = int(kept * len(whole)) if isinstance(kept, float) else kept
    (folder / file).write_bytes(whole[:length])
    refused(folder, str((folder / file).parent) if "text" not in file else str(folder))


@pytest.mark.parametrize("garbage", [b"words " * 100, b"\xff" * 500, b"\0" * 500, b"\x80\x02}q\0."])
@pytest.mark.parametrize("file", WEIGHT_FILES)
def test_garbage_weights_are_refused(folder: Path, file: str, garbage: bytes) -> None:
    (folder / file).write_bytes(garbage)
    refused(folder, str(folder))


@pytest.mark.parametrize("file", WEIGHT_FILES[:2])
def test_weights_of_another_model_are_refused(folder: Path, file: str) -> None:
    weights = load_file(folder / file)
    name = next(name for name, tensor in weights.items() if tensor.ndim > 1)
    save_file(weights | {name: torch.zeros(3, 5)}, folder / file)
    refused(folder, str(folder), name)


@pytest.mark.parametrize("file", WEIGHT_FILES[:2])
def test_missing_and_unexpected_tensors_are_refused(folder: Path, file: str) -> None:
    weights = load_file(folder / file)
    save_file(weights | {"wings.weight": torch.zeros(3)}, folder / file)
    refused(folder, str(folder), "wings.weight")
    name = next(iter(weights))
    save_file({other: tensor for other, tensor in weights.items() if other != name}, folder / file)
    refused(folder, str(folder), name)


class Hostile:
    """Unpickled, makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("pickled", ["model.pth", "model.pt", "pytorch_model.bin", "model.ckpt", WEIGHTS])
@pytest.mark.parametrize("part", [".", "vae", "text_encoder"])
def test_pickle_is_never_run(folder: Path, tmp_path: Path, part: str, pickled: str) -> None:
    trap = tmp_path / "sprung"
    own = VAE_WEIGHTS if part == "vae" else WEIGHTS
    (folder / part / own).unlink()
    target = folder / part / (own if pickled == WEIGHTS else pickled)
    target.write_bytes(pickle.dumps({"blocks.0.proj_in.weight": Hostile(trap)}))
    message = refused(folder, str(folder))
    assert not trap.exists()
    if pickled != WEIGHTS:
        assert "is a pickle" in message
        assert "safetensors" in message


def test_trap_would_work(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Hostile(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()


# Shards


def shard(folder: Path) -> tuple[str, ...]:
    """Split the flow's weights into two files with an index."""
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(weights)
    files = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    homes = {name: files[i % 2] for i, name in enumerate(names)}
    for file in files:
        save_file({name: weights[name] for name in names if homes[name] == file}, folder / file)
    index(folder).write_text(json.dumps({"metadata": {}, "weight_map": homes}))
    return files


def index(folder: Path) -> Path:
    return folder / f"{WEIGHTS}.index.json"


def test_shards_are_joined(folder: Path) -> None:
    shard(folder)
    assert torch.equal(small_load(folder).generate_latents("cat"), small_pipeline().generate_latents("cat"))


def test_vae_weights_may_be_those_of_an_embedded_model(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EMBEDDED / DEFAULT_MODEL, tmp_path / "sharing"))
    edit(folder / "vae" / "config.json", lambda config: config.update(scaling_factor=0.5))
    (folder / "vae" / VAE_WEIGHTS).unlink()
    refused(folder, VAE_WEIGHTS, "missing")
    edit(folder / "config.json", lambda config: config.update(vae_weights=DEFAULT_MODEL))
    shared, embedded = small_load(folder).autoencoder, load(device="cpu").autoencoder
    assert shared is not None
    assert embedded is not None
    assert shared.config.scaling_factor == 0.5
    assert all(torch.equal(shared.state_dict()[name], tensor) for name, tensor in embedded.state_dict().items())


@pytest.mark.parametrize("stranger", ["../elsewhere", "nobody", 3, [DEFAULT_MODEL]], ids=str)
def test_vae_weights_of_no_embedded_model_are_refused(folder: Path, stranger: Any) -> None:
    edit(folder / "config.json", lambda config: config.update(vae_weights=stranger))
    refused(folder, repr(stranger), "no embedded model")


def test_missing_shard_is_named(folder: Path) -> None:
    _, second = shard(folder)
    (folder / second).unlink()
    refused(folder, str(folder / second), "missing")


@pytest.mark.parametrize(
    "name", ["../outside.safetensors", "/etc/passwd", "sub/x.safetensors", "..", "", "x.pth", 3, None, ["x"]]
)
def test_index_names_only_files_beside_it(folder: Path, name: Any) -> None:
    shard(folder)
    save_file(load_file(folder / "vae" / VAE_WEIGHTS), folder.parent / "outside.safetensors")
    index(folder).write_text(json.dumps({"weight_map": {"a": name}}))
    refused(folder, str(index(folder)), "names", "safetensors")


def test_windows_paths_do_not_lead_out_either(folder: Path) -> None:
    shard(folder)
    index(folder).write_text(json.dumps({"weight_map": {"a": "..\\outside.safetensors"}}))
    refused(folder, str(folder))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', '{"weight_map": 3}'])
def test_index_without_files_is_refused(folder: Path, content: str) -> None:
    shard(folder)
    index(folder).write_text(content)
    refused(folder, str(index(folder)))


# Parts that do not fit


def test_text_encoder_of_another_width_is_refused(folder: Path) -> None:
    new_text_encoder(24).model.save_pretrained(folder / "text_encoder")
    refused(folder, str(folder), "24", "16", "belong to different models")


def test_autoencoder_with_other_channels_is_refused(folder: Path) -> None:
    config = AutoencoderConfig((8, 8), layers_per_block=1, latent_channels=2, norm_num_groups=4)
    save_file(Autoencoder(config).state_dict(), folder / "vae" / VAE_WEIGHTS)
    (folder / "vae/config.json").write_text(json.dumps(config.to_dict()))
    refused(folder, str(folder), "2 latent channels", "belong to different models")


def test_text_encoder_whose_weights_are_another_models_is_refused(folder: Path) -> None:
    config = T5Config(vocab_size=4, d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2, pad_token_id=0)
    config.save_pretrained(folder / "text_encoder")  # a layer more than the weights have
    refused(folder, str(folder))


# Devices


def test_device_that_is_not_there_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"device cuda is not available here; available are: .*cpu"):
        small_load(folder, device="cuda")


@pytest.mark.parametrize("device", ["tpu", "", "cpu:x", "cuda:", "gpu", "CPU "])
def test_nonsense_device_is_refused(folder: Path, device: str) -> None:
    with pytest.raises(ValueError, match=r"available"):
        small_load(folder, device=device)


@pytest.mark.parametrize("device", ["meta", "xpu"])
def test_device_that_models_cannot_run_on_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match=r"not available"):
        checked_device(device)


def test_cuda_index_beyond_the_last_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert checked_device("cuda") == torch.device("cuda")
    assert checked_device(None) == torch.device("cuda")
    with pytest.raises(ValueError, match="cuda:1 is not available"):
        checked_device("cuda:1")


def test_best_device_is_taken_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert checked_device(None) == torch.device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert checked_device(None) == checked_device("cpu") == torch.device("cpu")
