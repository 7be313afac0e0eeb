from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import GemmaConfig, GemmaModel, PreTrainedTokenizerFast

from starflow_core.codecs.t5 import T5Config, T5Encoder
from starflow_core.codecs.text_encoder import REMEMBERED, TextEncoder

WORDS = ["<pad>", "<end>", "<unknown>", "a", "cat", "and", "dog", "red", "blue", "on", "mat"]
TOKENS = 6


def new_tokenizer(template: str, padding_side: str = "right") -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=[("<end>", WORDS.index("<end>"))])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<end>",
        unk_token="<unknown>",
        padding_side=padding_side,
    )


@pytest.fixture
def t5() -> TextEncoder:
    torch.manual_seed(0)
    config = T5Config(vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    return TextEncoder(T5Encoder(config).eval(), new_tokenizer("$A <end>"), TOKENS)


def new_gemma(padding_side: str) -> TextEncoder:
    torch.manual_seed(0)
    config = GemmaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
    )
    return TextEncoder(GemmaModel(config).eval(), new_tokenizer("<end> $A", padding_side), TOKENS)


def count_calls(encoder: TextEncoder) -> list[Any]:
    """A list that grows by one with every call of the model."""
    calls: list[Any] = []
    encoder.model.register_forward_hook(lambda *_: calls.append(None))
    return calls


def test_features_are_the_last_hidden_state_and_padding_is_zero(t5: TextEncoder) -> None:
    features = t5.encode(["a red cat"])
    assert features.shape == (1, TOKENS, t5.dim) == (1, 6, 16)
    ids = torch.tensor([[WORDS.index(word) for word in ("a", "red", "cat", "<end>", "<pad>", "<pad>")]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0]])
    with torch.no_grad():
        hidden = t5.model(input_ids=ids, attention_mask=mask).last_hidden_state
    assert hidden[:, 4:].any()
    torch.testing.assert_close(features, hidden * mask[..., None])
    assert not features[:, 4:].any()
    assert features[:, :4].all()


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_decoder_only_language_model_works(padding_side: str) -> None:
    encoder = new_gemma(padding_side)
    features = encoder.encode(["a red cat"])[0]
    padding, words = (features[:2], features[2:]) if padding_side == "left" else (features[4:], features[:4])
    assert encoder.dim == 16
    assert features.isfinite().all()
    assert not padding.any()
    ids = torch.tensor([[WORDS.index(word) for word in ("<end>", "a", "red", "cat")]])
    with torch.no_grad():
        torch.testing.assert_close(words, encoder.model(input_ids=ids).last_hidden_state[0], rtol=1e-4, atol=1e-5)


def test_padding_that_the_model_leaves_undefined_is_zero(t5: TextEncoder) -> None:
    """Models may leave anything at masked positions, and not a number times zero is not zero."""

    def spoil(_module: Any, _args: Any, output: Any) -> None:
        output.last_hidden_state[:, 4:] = torch.nan

    t5.model.register_forward_hook(spoil)
    features = t5.encode(["a red cat"])
    assert not features[:, 4:].any()
    assert features[:, :4].isfinite().all()


def test_prompt_has_the_same_features_alone_and_in_a_batch(t5: TextEncoder) -> None:
    prompts = ["a cat", "", "a red dog and a blue cat on a mat"]
    together = t5.encode(prompts)
    t5._remembered.clear()
    for prompt, features in zip(prompts, together, strict=True):
        assert torch.equal(t5.encode([prompt])[0], features)


def test_different_prompts_have_different_features(t5: TextEncoder) -> None:
    red, blue = t5.encode(["a red cat", "a blue cat"])
    assert not torch.allclose(red, blue)


def test_encoding_is_remembered(t5: TextEncoder) -> None:
    calls = count_calls(t5)
    assert not t5.remembers("a cat")
    first = t5.encode(["a cat"])
    assert len(calls) == 1
    assert t5.remembers("a cat")
    assert torch.equal(t5.encode(["a cat", "a cat"]), first.repeat(2, 1, 1))
    assert len(calls) == 1


def test_remembered_features_cannot_be_spoilt_by_the_caller(t5: TextEncoder) -> None:
    first = t5.encode(["a cat"])
    kept = first.clone()
    first.zero_()
    assert torch.equal(t5.encode(["a cat"]), kept)


def test_memory_is_bounded_and_keeps_what_is_used(t5: TextEncoder) -> None:
    calls = count_calls(t5)
    t5.encode(["a cat"])
    for i in range(REMEMBERED + 3):
        t5.encode([f"a dog {i}", "a cat"])
    assert len(t5._remembered) == REMEMBERED
    assert len(calls) == 1 + REMEMBERED + 3
    t5.encode(["a dog 0"])  # forgotten long ago
    assert len(calls) == 1 + REMEMBERED + 4


def test_words_that_are_not_understood_are_named(t5: TextEncoder) -> None:
    assert t5.unread("xyzzy plugh") == ["No word of “xyzzy plugh” is understood; it counts as no prompt."]
    assert t5.unread("Xyzzy cat, plugh") == ["Not understood in “Xyzzy cat, plugh”: “Xyzzy”, “plugh”."]
    assert t5.unread("a cat") == t5.unread("") == []


def test_long_remarks_are_shortened(t5: TextEncoder) -> None:
    words = " ".join(f"xyzzy{'q' * i}" for i in range(11))
    cut, unknown = t5.unread(f"cat {words} {'x' * 1000}")
    assert cut.startswith(f"Only the first {TOKENS} tokens of “cat xyzzy")
    assert unknown.endswith("“xyzzyqqqqqqq” and 4 more.")
    assert len(unknown) < 250


def test_long_prompt_is_truncated(t5: TextEncoder) -> None:
    long = "cat " * 10_000
    features = t5.encode([long])
    assert torch.equal(features, t5.encode([" ".join(["cat"] * (TOKENS - 1))]))  # and the end token
    assert features.all()


def test_truncation_can_be_told_beforehand(t5: TextEncoder) -> None:
    assert t5.is_truncated("cat " * 10_000)
    assert t5.is_truncated("cat " * TOKENS)  # no room for the end token
    assert not t5.is_truncated("cat " * (TOKENS - 1))
    assert not t5.is_truncated("")


def test_empty_prompt_has_features(t5: TextEncoder) -> None:
    features = t5.encode([""])
    assert features[0, 0].any()
    assert not features[0, 1:].any()


@pytest.mark.parametrize(
    "prompt", ["a\x00cat\x07\x1b", "\n\t ", "🐈‍⬛ on 毯", "\ufeff\u202ecat", "a \ud83d cat", "\udfff"]
)
def test_strange_characters_are_taken(t5: TextEncoder, prompt: str) -> None:
    assert t5.encode([prompt]).isfinite().all()
    assert not t5.is_truncated(prompt)


def test_lone_surrogates_are_left_out(t5: TextEncoder) -> None:
    assert torch.equal(t5.encode(["a \ud83d cat"]), t5.encode(["a  cat"]))


@pytest.mark.parametrize("prompt", [None, 3, b"cat", ["cat"]])
def test_what_is_no_text_is_refused(t5: TextEncoder, prompt: Any) -> None:
    with pytest.raises(ValueError, match=f"must be text, but one is {type(prompt).__name__}"):
        t5.encode(["a cat", prompt])


def test_no_prompts_are_refused(t5: TextEncoder) -> None:
    with pytest.raises(ValueError, match="prompt"):
        t5.encode([])


def test_one_text_is_no_list_of_prompts(t5: TextEncoder) -> None:
    """Text is a sequence of texts, too: its letters would be taken for prompts."""
    with pytest.raises(ValueError, match="prompt"):
        t5.encode("a cat")


def test_reduced_precision_gives_float32_features(t5: TextEncoder) -> None:
    exact = t5.encode(["a red cat"])
    reduced = TextEncoder(t5.model.to(torch.bfloat16), t5.tokenizer, TOKENS).encode(["a red cat"])
    assert reduced.dtype == torch.float32
    torch.testing.assert_close(reduced, exact, rtol=0.1, atol=0.1)


def test_features_are_where_the_encoder_is_told_to_compute(t5: TextEncoder) -> None:
    """Whoever moves the model says so; here to the device without numbers."""
    moved = TextEncoder(copy.deepcopy(t5.model), t5.tokenizer, TOKENS)
    moved.encode(["a"])
    moved.model.to("meta")
    moved.device = torch.device("meta")
    assert moved.tokenize(["a red cat"])[0].device.type == "meta"


def test_features_made_in_inference_mode_may_take_part_in_a_gradient(t5: TextEncoder) -> None:
    with torch.inference_mode():
        features = t5.encode(["a red cat"])
    assert not features.is_inference()


def test_released_model_is_read_again(t5: TextEncoder) -> None:
    reads: list[None] = []

    def read() -> object:
        reads.append(None)
        return t5.model

    encoder = TextEncoder(t5.model, t5.tokenizer, TOKENS, reload=read)
    before = encoder.encode(["a red cat"])
    encoder.release()
    assert torch.equal(encoder.encode(["a red cat"]), before)  # remembered
    assert not reads
    encoder.encode(["a cat"])
    assert len(reads) == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_t5_keeps_in_float32_what_overflows_float16(t5: TextEncoder, dtype: torch.dtype, tmp_path: Path) -> None:
    t5.save(tmp_path / "text_encoder", tmp_path / "tokenizer")
    with torch.no_grad():
        encoder = TextEncoder.from_folders(
            tmp_path / "text_encoder", tmp_path / "tokenizer", tokens=TOKENS, device="cpu", dtype=dtype
        )
    dtypes = {name: weight.dtype for name, weight in encoder.model.state_dict().items()}
    kept = torch.float32 if dtype == torch.float16 else dtype
    assert {found for name, found in dtypes.items() if ".wo." in name} == {kept}
    assert {found for name, found in dtypes.items() if ".wo." not in name} == {dtype}
    assert not any(weight.requires_grad for weight in encoder.model.parameters())
    torch.testing.assert_close(encoder.encode(["a red cat"]), t5.encode(["a red cat"]), rtol=0.1, atol=0.1)


def test_wide_values_do_not_overflow_in_float16(t5: TextEncoder, tmp_path: Path) -> None:
    """Those of the large T5s reach 10⁵ behind the widened layer, and float16 ends at 65,504."""
    with torch.no_grad():
        for block in t5.model.encoder.block:
            block.layer[1].DenseReluDense.wo.weight.mul_(1e5)
    t5.save(tmp_path / "text_encoder", tmp_path / "tokenizer")
    encoder = TextEncoder.from_folders(
        tmp_path / "text_encoder", tmp_path / "tokenizer", tokens=TOKENS, device="cpu", dtype=torch.float16
    )
    torch.testing.assert_close(encoder.encode(["a red cat"]), t5.encode(["a red cat"]), rtol=0.1, atol=0.1)
