from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import TINY, TINY_TARFLOW, randn, random_flow
from torch import Tensor, nn

from starflow_core.cli import main as cli
from starflow_core.codecs.t5 import T5Encoder
from starflow_core.flow.flow import Flow
from starflow_core.pipeline import Pipeline
from starflow_core.quantization import NAMES
from starflow_core.quantization.formats import FORMATS, dequantized, format_of, number_of_weights, quantized
from starflow_core.quantization.layer import QuantizedLinear
from starflow_core.quantization.rows import Int8Linear
from starflow_core.samplers import Jacobi
from starflow_core.weights.conversion import convert_file
from starflow_core.weights.model_folder import WEIGHTS, load, read_config, save
from starflow_core.weights.tensors import read_weights

WIDE = {
    "starflow": dataclasses.replace(TINY, channels=64, head_dim=32),
    "tarflow": dataclasses.replace(TINY_TARFLOW, channels=64, head_dim=64, expansion=4),
}
# Changes of log p of the embedded models in bits per dimension, rounded up from what was measured.
LOSS = {"int8": 0.003, "fp8": 0.01, "int4": 0.06}


def kept(flow: Flow, name: str, dtype: torch.dtype | None = None) -> Flow:
    return type(flow).from_state_dict(flow.config, flow.state_dict(), dtype=dtype, weight_format=name)


def some(flow: Flow) -> tuple[Tensor, Tensor]:
    config = flow.config
    x = randn(3, config.in_channels, config.img_size, config.img_size)
    return x, randn(3, config.txt_size, config.txt_dim) if config.txt_size else torch.arange(3)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", WIDE)
def test_a_flow_computes_as_one_with_the_dequantized_weights(name: str, kind: str) -> None:
    flow = random_flow(WIDE[kind])
    few = kept(flow, name)
    plain = type(flow).from_state_dict(flow.config, dequantized(few, torch.zeros(0)))
    x, condition = some(flow)
    torch.testing.assert_close(few(x, condition).z, plain(x, condition).z, rtol=1e-4, atol=1e-4)
    assert float((few(x, condition).z - flow(x, condition).z).abs().max()) > 1e-4  # it is another flow


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", WIDE)
def test_inverse_is_exact_for_the_weights_as_they_are_kept(name: str, kind: str) -> None:
    flow = kept(random_flow(WIDE[kind]), name)
    x, condition = some(flow)
    z = flow(x, condition).z
    torch.testing.assert_close(flow.inverse(z, condition), x, rtol=1e-3, atol=1e-3)
    fast = flow.inverse(z, condition, sampler=Jacobi(tolerance=1e-5))
    torch.testing.assert_close(fast, x, rtol=1e-3, atol=1e-3)


def test_layers_at_the_edges_keep_their_precision() -> None:
    flow = kept(random_flow(WIDE["starflow"]), "int8")
    plain = {name.rpartition(".")[2] for name, layer in flow.named_modules() if isinstance(layer, nn.Linear)}
    assert plain == {"proj_in", "proj_out", "proj_txt"}


def test_output_of_attention_has_8_bits_beside_4() -> None:
    flow = kept(random_flow(WIDE["tarflow"]), "int4")
    finer = {name.rpartition("attn_blocks.")[2] for name, m in flow.named_modules() if isinstance(m, Int8Linear)}
    assert finer == {"0.attention.proj"}
    assert format_of(flow) == "int4"


@pytest.mark.parametrize("name", FORMATS)
def test_a_draft_of_a_block_has_plain_weights(name: str) -> None:
    flow = random_flow(WIDE["starflow"])
    draft = kept(flow, name).blocks[0].copied(torch.device("cpu"), torch.bfloat16)
    assert format_of(draft) is None
    assert {parameter.dtype for parameter in draft.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("name", FORMATS)
def test_no_weight_is_lost_in_the_count(name: str) -> None:
    flow = random_flow(WIDE["tarflow"])
    assert number_of_weights(kept(flow, name)) == number_of_weights(flow)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("model", ["starflow-mini-128", "tarflow-mini"])
def test_embedded_models_lose_little(name: str, model: str) -> None:
    plain, few = (load(model, device="cpu", dtype=dtype).flow for dtype in (torch.float32, name))
    few.dtype = torch.float32
    given: Any = load(model, device="cpu").condition(["a red heart" if "star" in model else "heart"])
    config = plain.config
    x = plain.inverse(0.7 * randn(1, config.in_channels, config.img_size, config.img_size), given)
    nats = float((plain(x, given).log_prob - few(x, given).log_prob)[0])
    assert abs(nats) / x[0].numel() / 0.6931 < LOSS[name]


def saved(tmp_path: Path, name: str) -> Path:
    save(load("tarflow-mini", device="cpu", dtype=name), tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", FORMATS)
def test_a_saved_model_is_the_same_and_says_its_format(name: str, tmp_path: Path) -> None:
    folder = saved(tmp_path, name)
    assert read_config(folder)["quantization"] == name
    before, after = load("tarflow-mini", device="cpu", dtype=name), load(folder, device="cpu")
    assert format_of(after.flow) == name
    for key, tensor in before.flow.state_dict().items():
        assert torch.equal(tensor.float(), after.flow.state_dict()[key].float()), key
    assert load(folder, device="cpu", dtype=name).flow.dtype == before.flow.dtype


def test_a_smaller_file_as_the_format_says(tmp_path: Path) -> None:
    sizes = {name: (saved(tmp_path / name, name) / WEIGHTS).stat().st_size for name in FORMATS}
    weights = number_of_weights(load("tarflow-mini", device="cpu").flow)
    assert 1.0 < sizes["int8"] / weights < 1.25
    assert 0.5 < sizes["int4"] / weights < 0.85


def test_text_encoder_is_kept_in_8_bits_beside_4() -> None:
    pipeline = load("starflow-mini-128", device="cpu", dtype="int4")
    assert pipeline.text_encoder is not None
    model = pipeline.text_encoder.model
    assert isinstance(model, T5Encoder)
    assert format_of(model) == "int8"
    plain = load("starflow-mini-128", device="cpu").text_encoder
    assert plain is not None
    features = plain.encode(["a red heart"])
    assert float((pipeline.text_encoder.encode(["a red heart"]) - features).norm() / features.norm()) < 0.05


def test_a_text_model_in_few_bits_is_saved_and_read(tmp_path: Path) -> None:
    before = load("starflow-mini-128", device="cpu", dtype="int8")
    save(before, tmp_path)
    after = load(tmp_path, device="cpu")
    assert before.text_encoder is not None
    assert after.text_encoder is not None
    torch.testing.assert_close(
        after.text_encoder.encode(["a cat"]), before.text_encoder.encode(["a cat"]), rtol=0.05, atol=0.05
    )


def test_drawing_works_with_few_bits() -> None:
    pipeline = load("tarflow-mini", device="cpu", dtype="int8")
    image = pipeline.generate("heart", seed=0)[0]
    assert image.size == (32, 32)
    assert len(image.getcolors(2000) or range(2000)) > 10


def test_conversion_writes_the_format(tmp_path: Path) -> None:
    flow = random_flow(WIDE["tarflow"])
    torch.save(flow.state_dict(), tmp_path / "flow.pth")
    converted = convert_file(tmp_path / "flow.pth", tmp_path / "model", noise_std=0.1, weight_format="int8")
    assert converted.weight_format == "int8"
    assert "weights of large layers rounded to int8" in converted.changes
    stored = read_weights(tmp_path / "model", WEIGHTS)
    expected = quantized(random_flow(WIDE["tarflow"]), flow.state_dict(), "int8")
    assert stored.keys() == expected.keys()
    key = "blocks.0.attn_blocks.0.mlp.main.0.weight"
    assert torch.equal(stored[key], expected[key])
    assert format_of(load(tmp_path / "model", device="cpu").flow) == "int8"


def test_command_converts_to_few_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(random_flow(WIDE["tarflow"]).state_dict(), tmp_path / "flow.pth")
    options = [str(tmp_path / "flow.pth"), str(tmp_path / "model"), "--noise-std", "0.1", "--quantize", "int4"]
    assert cli.main(["convert", *options]) == 0
    assert json.loads((tmp_path / "model" / "config.json").read_text())["quantization"] == "int4"
    assert cli.main(["info", str(tmp_path / "model")]) == 0
    assert "parameters, in int4" in capsys.readouterr().out


def test_other_bits_than_the_stored_ones_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path, "int8")
    with pytest.raises(ValueError, match="are int8 already; make int4 from the original"):
        load(folder, device="cpu", dtype="int4")


def test_unknown_formats_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no format of weights called 'int3'; there are int4, int8, fp8"):
        load("tarflow-mini", device="cpu", dtype="int3")
    folder = saved(tmp_path, "int8")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization": ["int8"]}))
    with pytest.raises(ValueError, match="'quantization' is"):
        load(folder, device="cpu")


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
def test_dtypes_that_nothing_computes_in_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match="for weights of few bits, dtype is one of int8, int4, fp8"):
        load("tarflow-mini", device="cpu", dtype=dtype)


def test_every_format_is_offered() -> None:
    assert set(NAMES) == set(FORMATS)


def test_autoencoders_have_no_few_bits() -> None:
    with pytest.raises(ValueError, match="autoencoder has no formats"):
        load("starflow-mini-128", device="cpu", dtype={"autoencoder": "int8"})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"blocks.0.proj_in.weight_scale": torch.ones(64)}, "but blocks.0.proj_in.weight is of torch.float32"),
        ({"nowhere.weight_scale": torch.ones(1)}, "nowhere.weight is missing"),
        (
            {"nowhere.weight_scale": torch.ones(1), "nowhere.weight": torch.ones(1, 1, dtype=torch.int8)},
            "belongs to no layer of this model",
        ),
        ({"blocks.0.attn_blocks.0.attention.qkv.weight_scale": torch.ones(3)}, "another shape"),
    ],
)
def test_weights_that_contradict_themselves_are_refused(change: dict[str, Tensor], says: str) -> None:
    flow = random_flow(WIDE["tarflow"])
    weights = quantized(flow, flow.state_dict(), "int8") | change
    with pytest.raises(ValueError, match=says):
        type(flow).from_state_dict(flow.config, weights)


def test_pipelines_of_few_bits_move_whole() -> None:
    pipeline: Pipeline = load("tarflow-mini", device="cpu", dtype="int4")
    layers = [layer for layer in pipeline.flow.modules() if isinstance(layer, QuantizedLinear)]
    pipeline.flow.to(torch.float16)
    assert {layer.weight.dtype for layer in layers} <= {torch.uint8, torch.int8}
