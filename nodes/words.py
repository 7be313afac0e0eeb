"""Prompts with ComfyUI's syntax, as plain words for a flow's text encoder."""

from __future__ import annotations

import re

# (words:1.5) and ((words):2), but not (3:2) and (at 10:30), where a digit precedes the colon of a whole number.
_WORDS, _WHOLE, _BROKEN = r"(?<!\\)\((?:[^()\\]|\\.|\([^()]*\))*", r"[-+]?\d+\.?", r"[-+]?\d*\.\d+"
WEIGHT = re.compile(rf"{_WORDS}(?:(?<=[^\s\d])\s*:\s*{_WHOLE}|:\s*{_BROKEN})\s*\)")
EMBEDDING = re.compile(r"\bembedding:\S+")
ESCAPED = re.compile(r"\\([()])")


def plain(text: str) -> str:
    r"""The plain words; parentheses are text, escaped as `\(` and `\)` or not.

    Raises:
        ValueError: the prompt has weights or an embedding, which a flow does not support.
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
