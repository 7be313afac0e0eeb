"""The small text encoder of the embedded model: its tokenizer and its T5."""

from __future__ import annotations

import random
from typing import Any

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from starflow_core.codecs.text_encoder import TextEncoder
from starflow_core.training.loop import device

from .captions import FRAMES, WORDS
from .colours import COLOURS
from .config import Config
from .subjects import Subject

PAD, EOS, UNKNOWN = "<pad>", "</s>", "<unk>"
# Singular and plural become one: box and boxes, berry and berries, shoe and shoes, leaf and leaves, cat and cats.
ENDINGS = (
    (r"(?<=[a-z](?:ch|sh|ss|x|z))es\b", ""),
    (r"(?<=[a-z]{2})(?:ies?|y)\b", "i"),
    (r"(?<=[a-z]{2})oe?s?\b", "o"),
    (r"(?<=[a-z]{2})(?:ves?|fe)\b", "f"),
    (r"(?<=[a-z]{2}[^siu])s\b", ""),
)
MODIFIERS = r"[\x{fe0f}\x{1f3fb}-\x{1f3ff}]"  # of emoji: to be shown in colour, and with which colour of skin
# All punctuation that is no emoji.
SEPARATORS = r"(?:[\s\x{00}-\x{1f}]|(?![\x{203c}\x{2049}\x{3030}])\p{P}(?!\x{20e3}))+"
WORDS_AND_EMOJI = r"\w+(?!\x{20e3})|\X"  # a digit in a keycap is an emoji


def build_tokenizer(subjects: list[Subject], max_tokens: int) -> PreTrainedTokenizerFast:
    """One token a word of the captions, whatever its case and number, and one for each emoji character."""
    tokenizer = Tokenizer(WordLevel({PAD: 0, EOS: 1, UNKNOWN: 2}, unk_token=UNKNOWN))
    replaced = [normalizers.Replace(Regex(pattern), new) for pattern, new in ((MODIFIERS, ""), *ENDINGS)]
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase(), *replaced])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SEPARATORS), "removed"),
            pre_tokenizers.Split(Regex(WORDS_AND_EMOJI), "isolated"),
        ]
    )
    texts = [*COLOURS, *WORDS, *(frame.format("") for frame in FRAMES)]
    for subject in subjects:
        texts += [subject.name, *subject.keywords, subject.character, subject.style]
    normal = (tokenizer.normalizer.normalize_str(text) for text in texts)
    words = {word for text in normal for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)}
    vocabulary = [PAD, EOS, UNKNOWN, *sorted(words)]
    tokenizer.model = WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token=UNKNOWN)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {EOS}", special_tokens=[(EOS, 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=EOS, unk_token=UNKNOWN, model_max_length=max_tokens
    )


def build(config: Config, subjects: list[Subject]) -> TextEncoder:
    settings: dict[str, Any] = dict(config.text_encoder)
    max_tokens = settings.pop("max_tokens")
    tokenizer = build_tokenizer(subjects, max_tokens)
    model = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
            relative_attention_num_buckets=8,
            relative_attention_max_distance=16,
            initializer_factor=1.0,
            **settings,
        )
    )
    return TextEncoder(model.to(device()), tokenizer, max_tokens, device=device())


def with_unknown_words(caption: str, share: float, rng: random.Random) -> str:
    """The caption with a share of its words replaced by the unknown one."""
    return " ".join(UNKNOWN if rng.random() < share else word for word in caption.split())
