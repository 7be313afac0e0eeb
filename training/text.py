"""The small text encoder of the embedded model: its tokenizer and its T5."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from starflow_core.text_encoder import TextEncoder

from .config import Config
from .captions import FRAMES, WORDS
from .colours import COLOURS
from .data import VARIATION_SELECTOR
from .subjects import Subject

PAD, EOS, UNKNOWN = "<pad>", "</s>", "<unk>"


def build_tokenizer(subjects: list[Subject], max_tokens: int) -> PreTrainedTokenizerFast:
    """One token a word of the captions, whatever its case, and one for each emoji character."""
    tokenizer = Tokenizer(WordLevel({PAD: 0, EOS: 1, UNKNOWN: 2}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(VARIATION_SELECTOR, "")]
    )
    # Words are runs of letters and digits; of the rest, emoji sequences stay whole and punctuation falls away.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\s\p{P}\x{00}-\x{1f}]+"), "removed"),
            pre_tokenizers.Split(Regex(r"\w+"), "isolated"),
        ]
    )
    words: Counter[str] = Counter()
    for subject in subjects:
        for text in (subject.name, *subject.keywords, subject.character):
            normal = tokenizer.normalizer.normalize_str(text)
            words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
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
    return TextEncoder(model, tokenizer, max_tokens)


def with_unknown_words(caption: str, share: float, rng: random.Random) -> str:
    """The caption with a share of its words replaced by the unknown one."""
    return " ".join(UNKNOWN if rng.random() < share else word for word in caption.split())
