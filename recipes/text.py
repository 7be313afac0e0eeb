"""The small text encoder of the embedded model: a tokenizer, and a T5 with word embeddings from a language model.

The embedding of a word is the sum of two parts. The fixed part is distilled from a language model (see meaning.py), and
one trained map brings it to the width of the T5. The trained part starts at zero. A word that no caption contains has
only the fixed part.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from starflow_core.codecs.text_encoder import TextEncoder
from starflow_core.training.loop import device

from . import meaning

PAD, EOS, UNKNOWN = "<pad>", "</s>", "<unk>"
SPECIAL = (PAD, EOS, UNKNOWN)
EMBEDDINGS = ("shared.", "encoder.embed_tokens.")  # the two names of the same layer in a T5's state
# Singular and plural become one: box and boxes, berry and berries, shoe and shoes, leaf and leaves, cat and cats.
ENDINGS = (
    (r"(?<=[a-z](?:ch|sh|ss|x|z))es\b", ""),
    (r"(?<=[a-z]{2})(?:ies?|y)\b", "i"),
    (r"(?<=[a-z]{2})oe?s?\b", "o"),
    (r"(?<=[a-z]{2})(?:ves?|fe)\b", "f"),
    (r"(?<=[a-z]{2}[^siu])s\b", ""),
)
MODIFIERS = r"[\x{fe0f}\x{1f3fb}-\x{1f3ff}]"  # of emoji: for display in colour, and for skin tones
# All punctuation that is no emoji.
SEPARATORS = r"(?:[\s\x{00}-\x{1f}]|(?![\x{203c}\x{2049}\x{3030}])\p{P}(?!\x{20e3}))+"
WORDS_AND_EMOJI = r"\w+(?!\x{20e3})|\X"  # a digit in a keycap is an emoji


class Vocabulary:
    """The tokens of the encoder and their meanings. A word has the same token in any case, singular or plural.

    Args:
        meanings: the meaning of each token, in words, in the order of the ids; "" for the special tokens.
    """

    def __init__(self, meanings: dict[str, str]) -> None:
        self.meanings = meanings
        self._tokenizer = _word_level()

    @classmethod
    def of_words(cls, words: Iterable[str], names: Mapping[str, str]) -> Vocabulary:
        """Build a vocabulary of words; the meaning of a token is the shortest of its words.

        Args:
            words: the words of the captions, and others.
            names: the meanings of characters such as emoji, in words.
        """
        vocabulary = cls(dict.fromkeys(SPECIAL, ""))
        shortest_first = sorted(words, key=lambda word: (len(word), word))
        for text, stands_for in [*((word, word) for word in shortest_first), *names.items()]:
            tokens = vocabulary._tokens(text)
            for token in tokens:
                vocabulary.meanings.setdefault(token, stands_for if len(tokens) == 1 else token)
        return vocabulary

    def tokenizer(self, max_tokens: int) -> PreTrainedTokenizerFast:
        ids = {token: i for i, token in enumerate(self.meanings)}
        self._tokenizer.model = WordLevel(ids, unk_token=UNKNOWN)
        self._tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {EOS}", special_tokens=[(EOS, 1)])
        return PreTrainedTokenizerFast(
            tokenizer_object=self._tokenizer,
            pad_token=PAD,
            eos_token=EOS,
            unk_token=UNKNOWN,
            model_max_length=max_tokens,
        )

    def embeddings(self, number: int) -> Tensor:
        """The fixed part of each token's embedding, (V, number); zero for the special tokens."""
        meanings = [text for token, text in self.meanings.items() if token not in SPECIAL]
        words = meaning.principal_components(meaning.sentence_embeddings(meanings), number)
        return torch.cat([torch.zeros(len(SPECIAL), number), words])

    def _tokens(self, text: str) -> list[str]:
        assert self._tokenizer.normalizer is not None
        assert self._tokenizer.pre_tokenizer is not None
        normal = self._tokenizer.normalizer.normalize_str(text)
        return [token for token, _ in self._tokenizer.pre_tokenizer.pre_tokenize_str(normal)]


class DistilledEmbedding(nn.Module):
    """Token embeddings (V, width): a trained map of fixed vectors, plus a trained vector for each token."""

    fixed: Tensor

    def __init__(self, fixed: Tensor, width: int) -> None:
        super().__init__()
        self.register_buffer("fixed", fixed, persistent=False)  # made anew from the vocabulary
        self.map = nn.Linear(fixed.shape[1], width, bias=False)
        self.own = nn.Parameter(torch.zeros(len(fixed), width))

    def forward(self, ids: Tensor) -> Tensor:
        return self.map(self.fixed[ids]) + self.own[ids]

    @property
    def weight(self) -> Tensor:
        """All embeddings as one table, as a model folder keeps them."""
        return self.map(self.fixed) + self.own


def build(settings: dict[str, Any], vocabulary: Vocabulary, fixed: Tensor) -> TextEncoder:
    """Build an untrained encoder from the table `text_encoder` of the configuration.

    Args:
        settings: the table: settings of the T5, `max_tokens` and `meaning_numbers`.
        vocabulary: the vocabulary, of V tokens.
        fixed: the fixed parts of the embeddings, (V, meaning_numbers).
    """
    shape = dict(settings)
    max_tokens = shape.pop("max_tokens")
    del shape["meaning_numbers"]
    tokenizer = vocabulary.tokenizer(max_tokens)
    model = T5EncoderModel(config_of(shape, len(tokenizer)))
    model.set_input_embeddings(DistilledEmbedding(fixed, shape["d_model"]))
    return TextEncoder(model, tokenizer, max_tokens, device=device())


def config_of(shape: dict[str, Any], tokens: int) -> T5Config:
    return T5Config(
        vocab_size=tokens,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=16,
        initializer_factor=1.0,
        **shape,
    )


def exportable(encoder: TextEncoder) -> TextEncoder:
    """The same encoder with its embeddings as one table, as transformers saves and loads it."""
    model = encoder.model
    table = model.get_input_embeddings().weight.detach()
    plain = T5EncoderModel(model.config).eval().requires_grad_(False)
    rest = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(EMBEDDINGS)}
    plain.load_state_dict(rest | {f"{name}weight": table for name in EMBEDDINGS})
    return TextEncoder(plain, encoder.tokenizer, encoder.tokens, device=encoder.device)


def load_exported(encoder: TextEncoder, exported: TextEncoder) -> None:
    """Give an encoder the weights of an exported encoder with the same vocabulary.

    The map of the fixed parts is fitted to the exported table by least squares. The trained parts are the residuals.
    """
    weights = exported.model.state_dict()
    table = weights["shared.weight"].float()
    embedding = encoder.model.get_input_embeddings()
    with torch.no_grad():
        embedding.map.weight.copy_(torch.linalg.lstsq(embedding.fixed, table).solution.T)
        embedding.own.copy_(table - embedding.map(embedding.fixed))
    embeddings = {name: w for name, w in encoder.model.state_dict().items() if name.startswith(EMBEDDINGS)}
    rest = {name: w for name, w in weights.items() if not name.startswith(EMBEDDINGS)}
    encoder.model.load_state_dict(rest | embeddings)


def with_unknown_words(caption: str, share: float, rng: random.Random) -> str:
    """The caption with a share of its words replaced by the unknown word."""
    return " ".join(UNKNOWN if rng.random() < share else word for word in caption.split())


def _word_level() -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({token: i for i, token in enumerate(SPECIAL)}, unk_token=UNKNOWN))
    replaced = [normalizers.Replace(Regex(pattern), new) for pattern, new in ((MODIFIERS, ""), *ENDINGS)]
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase(), *replaced])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SEPARATORS), "removed"),
            pre_tokenizers.Split(Regex(WORDS_AND_EMOJI), "isolated"),
        ]
    )
    return tokenizer
