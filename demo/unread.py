"""The parts of prompts that a model ignores."""

from __future__ import annotations

import html

from .models import MODELS


def unread(model: str, *prompts: str) -> str:
    """Return remarks on the parts of prompts that the model ignores, as HTML; "" if it reads all of them."""
    encoder = MODELS.load(model, "default")[1]
    if encoder is None:
        return ""
    return html.escape(" ".join(remark for prompt in prompts for remark in encoder.part.unread(prompt)))
