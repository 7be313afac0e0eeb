"""Prompts as ComfyUI's users write them, turned into the plain words that a flow's text encoder reads."""

from __future__ import annotations

import re

# (words:1.5) and ((words):2), but no (3:2) and no (at 10:30), where a digit stands before the colon of a whole number.
_WORDS, _WHOLE, _BROKEN = r"(?<!\\)\((?:[^()\\]|\\.|\([^()]*\))*", r"[-+]?\d+\.?", r"[-+]?\d*\.\d+"
WEIGHT = re.compile(rf"{_WORDS}(?:(?<=[^\s\d])\s*:\s*{_WHOLE}|:\s*{_BROKEN})\s*\)")
EMBEDDING = re.compile(r"\bembedding:\S+")
ESCAPED = re.compile(r"\\([()])")


def plain(text: str) -> str:
    r"""The words; parentheses are words, escaped as `\(` and `\)` or not.

    Raises:
        ValueError: words have weights, or there is an embedding, neither of which a flow reads.
    """
    if found := WEIGHT.search(text):
        raise ValueError(
            f"The prompt gives words a weight, {found[0]}; a flow reads plain words, and would take it for some. Leave "
            r"the weight away, or raise the guidance of STARFlow Sampler; where you mean it as text, write \( and \)."
        )
    if found := EMBEDDING.search(text):
        raise ValueError(
            f"The prompt holds {found[0]}, an embedding of Stable Diffusion's text encoders, which means nothing to a "
            "flow; leave it away."
        )
    return ESCAPED.sub(r"\1", text)
