"""T5's encoder against that of transformers, which is the reference: equal to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import MT5EncoderModel, T5EncoderModel, T5ForConditionalGeneration, UMT5EncoderModel

from starflow_core.codecs.t5 import T5Config, T5Encoder
from starflow_core.weights.model_folder import EMBEDDED
from starflow_core.weights.tensors import read_json

FOLDER = EMBEDDED / "starflow-mini" / "text_encoder"
SIZES = {"vocab_size": 50, "d_model": 24, "d_kv": 8, "d_ff": 40, "num_layers": 3, "num_heads": 3}
KINDS = [
    *[(T5EncoderModel, {"feed_forward_proj": name}) for name in ("relu", "gated-gelu", "gated-silu", "gelu")],
    (T5EncoderModel, {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 16}),
    (MT5EncoderModel, {"feed_forward_proj": "gated-gelu"}),
    (UMT5EncoderModel, {"feed_forward_proj": "gated-gelu"}),
]


def reference(kind: Any, **options: Any) -> Any:
    """A model of transformers with weights that all matter."""
    model = kind(kind.config_class(**SIZES, **options)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * parameter.shape[-1] ** -0.5)
    return model


def inputs(vocabulary: int, lengths: list[int], longest: int) -> tuple[Tensor, Tensor]:
    ids = torch.randint(0, vocabulary, (len(lengths), longest), generator=torch.Generator().manual_seed(1))
    return ids, (torch.arange(longest) < torch.tensor(lengths)[:, None]).long()


@torch.no_grad()
def features(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """All features that are not of padding, (N, d_model)."""
    chosen: Tensor = model(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()]
    return chosen


@pytest.mark.parametrize("lengths", [[16], [1], [9, 16]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_embedded_encoder_computes_what_transformers_does(dtype: torch.dtype, lengths: list[int]) -> None:
    config, weights = T5Config.from_dict(read_json(FOLDER, "config.json")), load_file(FOLDER / "model.safetensors")
    encoder = T5Encoder.from_state_dict(config, weights, dtype=dtype)
    expected = T5EncoderModel.from_pretrained(FOLDER, dtype=dtype).eval()
    ids, mask = inputs(config.vocab_size, lengths, 16)
    result = features(encoder, ids, mask)
    assert result.dtype == dtype
    assert torch.equal(result, features(expected, ids, mask))


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_each_kind_computes_what_transformers_does(kind: Any, options: dict[str, Any]) -> None:
    model = reference(kind, **options)
    encoder = T5Encoder.from_state_dict(T5Config.from_dict(model.config.to_dict()), model.state_dict())
    ids, mask = inputs(50, [200, 90, 3], 200)  # beyond the distance where all positions count the same
    assert torch.equal(features(encoder, ids, mask), features(model, ids, mask))


def test_last_product_of_an_mlp_stays_in_float32_where_float16_overflows() -> None:
    """As transformers keeps it: trained weights of T5 give infinities there."""
    model = reference(T5EncoderModel)
    with torch.no_grad():
        model.encoder.block[1].layer[1].DenseReluDense.wi.weight.mul_(3000)
        model.encoder.block[1].layer[1].DenseReluDense.wo.weight.mul_(100)
    config = T5Config.from_dict(model.config.to_dict())
    encoder = T5Encoder.from_state_dict(config, model.state_dict(), dtype=torch.float16)
    kept = {name for name, tensor in encoder.state_dict().items() if tensor.dtype == torch.float32}
    assert kept == {f"encoder.block.{i}.layer.1.DenseReluDense.wo.weight" for i in range(3)}
    ids, mask = inputs(50, [12], 12)
    result = features(encoder, ids, mask)
    assert result.isfinite().all()
    assert (result.float() - features(model, ids, mask)).norm() < 0.01 * features(model, ids, mask).norm()


def test_decoder_and_either_name_of_the_embeddings_do_not_matter() -> None:
    model = reference(T5ForConditionalGeneration)
    config, weights = T5Config.from_dict(model.config.to_dict()), model.state_dict()
    assert any(name.startswith("decoder.") for name in weights)
    ids, mask = inputs(50, [5], 5)
    expected = features(model.encoder, ids, mask)
    for left_out in ("shared.weight", "encoder.embed_tokens.weight"):
        encoder = T5Encoder.from_state_dict(config, {n: t for n, t in weights.items() if n != left_out})
        assert torch.equal(features(encoder, ids, mask), expected)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shared.weight": None, "encoder.embed_tokens.weight": None}, "missing: shared.weight"),
        ({"encoder.block.1.layer.0.layer_norm.weight": None}, "missing: encoder.block.1.layer.0.layer_norm.weight"),
        ({"encoder.block.0.layer.0.SelfAttention.q.weight": torch.ones(2, 2)}, "of another shape"),
        ({"encoder.block.7.x": torch.ones(1)}, "unexpected: encoder.block.7.x"),
    ],
)
def test_other_weights_are_refused(change: dict[str, Tensor | None], told: str) -> None:
    model = reference(T5EncoderModel)
    weights = {name: tensor for name, tensor in (model.state_dict() | change).items() if tensor is not None}
    with pytest.raises(ValueError, match=told):
        T5Encoder.from_state_dict(T5Config.from_dict(model.config.to_dict()), weights)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"d_model": None}, "lacks d_model"),
        ({"d_kv": 0}, "d_kv is 0"),
        ({"num_layers": "3"}, "num_layers is '3'"),
        ({"relative_attention_num_buckets": True}, "relative_attention_num_buckets is True"),
        ({"feed_forward_proj": "swish"}, "feed_forward_proj is 'swish'"),
        ({"model_type": "bert"}, "model_type is 'bert'"),
    ],
)
def test_other_configurations_are_refused(change: dict[str, Any], told: str) -> None:
    names = {name: value for name, value in (SIZES | change).items() if value is not None}
    with pytest.raises(ValueError, match=told):
        T5Config.from_dict(names)


def test_configuration_is_written_as_transformers_reads_it(tmp_path: Path) -> None:
    config = T5Config(**SIZES, feed_forward_proj="gated-gelu", model_type="t5")
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    read = T5EncoderModel.config_class.from_pretrained(tmp_path)
    assert (read.dense_act_fn, read.is_gated_act, read.d_kv) == ("gelu_new", True, 8)
    assert T5Config.from_dict(config.to_dict()) == config
