"""Functions with documented parameters, for Gradio's API pages and for the tools of agents."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from nodes.declaration import IMAGE, MASK, Choice, Flag, Input, Number, Seed, Socket, Text, is_file

from .limits import SEEDS, BrowserSeed, here


@dataclass(frozen=True)
class Parameter:
    """A parameter of an endpoint.

    Attributes:
        is_optional: whether a program may leave it out; it then has the initial value of its component.
    """

    name: str
    type: type
    help: str
    is_optional: bool = False


def parameter(given: Input, name: str = "") -> Parameter:
    """Return the parameter for an input of a node, with the limits of this demo; `name` overrides the input's name."""
    given = here(given)
    field = given.field
    types: dict[type, type] = {Text: str, Choice: str, Flag: bool, Seed: int}
    kind = (int if field.is_whole else float) if isinstance(field, Number) else types.get(type(field), str)
    told = field.help
    if isinstance(field, Number):
        told += f" (from {field.least:g} to {field.most:g})"
    if isinstance(field, BrowserSeed):
        told += f" (from 0 to {SEEDS - 1})"
    if isinstance(field, Choice):
        told += f" (one of {', '.join(field.names())})"
    if isinstance(field, Socket) and field.type not in (IMAGE, MASK):
        told += f" (a handle of a {field.type})"
    if is_file(given):
        told += " (a handle of a file)"
    return Parameter(name or given.name, kind, told, not given.is_required)


def documented(
    function: Callable[..., Any], name: str, purpose: str, parameters: Sequence[Parameter]
) -> Callable[..., Any]:
    """Give a function a name, a docstring and a signature that describe its parameters.

    A parameter `request` is not described, since Gradio passes it.
    """
    hints = get_type_hints(function)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    own = [inspect.Parameter("request", kind, annotation=hints["request"])] if "request" in hints else []
    named = own + [
        inspect.Parameter(p.name, kind, annotation=p.type, default=None if p.is_optional else inspect.Parameter.empty)
        for p in parameters
    ]
    function.__name__ = name
    function.__doc__ = f"{purpose}\n\nArgs:\n" + "\n".join(f"    {p.name}: {p.help}" for p in parameters)
    function.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in named}
    return function
