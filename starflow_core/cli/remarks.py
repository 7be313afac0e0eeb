"""Warnings about prompts, told as the command tells everything; those of Pillow, about odd files, are not told."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..codecs.prompt_warning import PromptWarning
from .progress import say


@contextmanager
def remarks_told() -> Iterator[None]:
    """Print what the model does not read of a prompt in a line, once; other warnings are shown as they always are."""
    told = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", PromptWarning)
        warnings.filterwarnings("ignore", module=r"PIL\.")  # a file that cannot be read is an error, which says more
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **named: Any) -> None:
            if not issubclass(category, PromptWarning):
                shown(message, category, *place, **named)
            elif str(message) not in told:
                told.add(str(message))
                say(f"starflow: {message}", sys.stderr)

        warnings.showwarning = show
        yield
