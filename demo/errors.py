"""Error messages for people; the log has the details."""

from __future__ import annotations

import functools
import html
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio

log = logging.getLogger("starflow.demo")

NO_MEMORY = "There is not enough memory for this; try a smaller size, fewer pictures or fewer draws."
OUR_FAULT = "Something went wrong here, and it is not your fault. It has been logged; try again, or try something else."


def friendly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the function or generator of an event so that it raises only errors with messages for people."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*values: Any) -> Iterator[Any]:
            with _told():
                yield from function(*values)

        return generator

    @functools.wraps(function)
    def plain(*values: Any) -> Any:
        with _told():
            return function(*values)

    return plain


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except gradio.Error:
        raise
    except ValueError as error:
        raise _error(str(error)) from None
    except MemoryError:
        raise _error(NO_MEMORY) from None
    except Exception as error:
        if isinstance(error, RuntimeError) and "memory" in str(error):  # torch's error, for the CPU and for GPUs
            raise _error(NO_MEMORY) from None
        log.exception("unexpected")
        raise _error(OUR_FAULT) from None


def warn(message: str) -> None:
    """Show a warning beside the page of the visitor whose event runs."""
    gradio.Warning(_as_html(message))


def _error(message: str) -> gradio.Error:
    return gradio.Error(_as_html(message), duration=20, print_exception=False)


def _as_html(message: str) -> str:
    """Gradio shows messages as HTML, and they contain text that people typed, or that stands in a link."""
    return html.escape(message, quote=False)
