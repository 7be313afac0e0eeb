"""What a model does not read of a prompt, as a warning to whoever called this library."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable

PACKAGE = __name__.partition(".")[0]


class PromptWarning(UserWarning):
    """A prompt has parts that the model does not read: words that it does not know, or too many tokens."""


def warn(remarks: Iterable[str]) -> None:
    """Warn of each, at the line outside this package that the call came from."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        level, frame = level + 1, frame.f_back
    for remark in remarks:
        warnings.warn(remark, PromptWarning, stacklevel=level)
