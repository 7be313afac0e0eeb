"""Functions that say what their parameters are, for the pages on the API and for agents' tools."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from nodes.declaration import IMAGE, MASK, Choice, Flag, Input, Number, Seed, Socket, Text

from .limits import SEEDS, BrowserSeed, here


@dataclass(frozen=True)
class Parameter:
    """What a program may pass.

    Attributes:
        is_optional: left out, it is what its component holds at first.
    """

    name: str
    type: type
    help: str
    is_optional: bool = False


def parameter(given: Input, name: str = "") -> Parameter:
    """An input of a node, under a name of its own where one is given, with the limits of this demo."""
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
    return Parameter(name or given.name, kind, told, not given.is_required)


def documented(
    function: Callable[..., Any], name: str, purpose: str, parameters: Sequence[Parameter]
) -> Callable[..., Any]:
    """Give a function names, types and help for all its parameters but a `request`, which Gradio fills in itself."""
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
