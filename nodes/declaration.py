"""What a node is: a function whose parameters say, in their annotations, how a person fills them in.

    @node(
        "STARFlowSampler", "STARFlow Sampler", "Draws latents from noise.",
        outputs=(Output("latent", LATENT),), category="sampling",
    )
    def sample(host: Host, model: Annotated[Model, Socket(MODEL)], seed: Annotated[int, Seed()] = 0) -> Latent: ...

Front ends read `Node.inputs` and `Node.outputs`; a function's default is its input's, and an input without one must be
connected or filled in.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, get_type_hints

CATEGORY = "STARFlow"  # of the menu; a node's own is one below it
# Types of what goes along wires, as ComfyUI calls them.
MODEL, TEXT_ENCODER = "STARFLOW_MODEL", "STARFLOW_TEXT_ENCODER"
VAE, CONDITIONING, LATENT, IMAGE, MASK = "VAE", "CONDITIONING", "LATENT", "IMAGE", "MASK"
FLOAT = "FLOAT"


@dataclass(frozen=True)
class Field:
    """How an input is filled in; `help` is shown beside it."""

    help: str = ""

    def checked(self, value: Any) -> Any:
        """What was filled in, or came along a wire.

        Raises:
            ValueError: it is not of this kind, or out of range; the message goes on from the input's name.
        """
        return value


@dataclass(frozen=True)
class Socket(Field):
    """Something that comes along a wire.

    Attributes:
        type: of what comes.
    """

    type: str = ""


@dataclass(frozen=True)
class Number(Field):
    """A number from `least` to `most`; whole where `step` is."""

    least: float = 0
    most: float = 1
    step: float = 0.01

    @property
    def is_whole(self) -> bool:
        return isinstance(self.step, int)

    def checked(self, value: Any) -> Any:
        if not _is_number(value) or not self.least <= value <= self.most or (self.is_whole and value % self.step):
            steps = f"; it must be a multiple of {self.step}" if self.is_whole and self.step > 1 else ""
            kind = "whole number" if self.is_whole else "number"
            raise ValueError(f"is {value!r}, and must be a {kind} from {self.least:g} to {self.most:g}{steps}.")
        return int(value) if self.is_whole else float(value)


def _is_number(value: Any) -> bool:
    """Whether it is a finite number, of Python or of NumPy, whose numbers some nodes hand on."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


@dataclass(frozen=True)
class Seed(Field):
    """The seed of what is drawn at random, from 0 to 2⁶⁴ − 1, which front ends can change after a run."""

    def checked(self, value: Any) -> int:
        if not _is_number(value) or value % 1:
            raise ValueError(f"is {value!r}, and must be a whole number.")
        if not 0 <= value < 2**64:
            raise ValueError(f"is {value!r}, and must be from 0 to {2**64 - 1}.")
        return int(value)


@dataclass(frozen=True)
class Text(Field):
    """Words; `lines` of them, as the field is drawn, and no more than `longest` characters."""

    lines: int = 1
    longest: int = 10_000

    def checked(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"is {value!r}, and must be text.")
        if len(value) > self.longest:
            raise ValueError(f"has {len(value):,} characters; {self.longest:,} is the most. Shorten it.")
        return value


@dataclass(frozen=True)
class Flag(Field):
    """Yes or no."""

    def checked(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"is {value!r}, and must be true or false.")
        return value


@dataclass(frozen=True)
class Choice(Field):
    """One of some names.

    Attributes:
        options: the names, or what lists them when they are asked for, since files come and go.
    """

    options: Sequence[str] | Callable[[], Sequence[str]] = ()

    def names(self) -> list[str]:
        """The names now."""
        return list(self.options() if callable(self.options) else self.options)

    def checked(self, value: Any) -> str:
        names = self.names()
        if value not in names:
            raise ValueError(f"is {value!r}, and must be one of {', '.join(names)}.")
        return str(value)


REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Input:
    """A parameter of a node.

    Attributes:
        name: of the parameter.
        field: how it is filled in.
        default: its value where nothing is filled in; `REQUIRED` for none. Of a socket, None: it may stay unconnected.
    """

    name: str
    field: Field
    default: Any = REQUIRED

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED

    @property
    def label(self) -> str:
        """The name, as people read it."""
        return self.name.replace("_", " ")

    def checked(self, value: Any) -> Any:
        """What was filled in.

        Raises:
            ValueError: it is not of the field's kind, or out of its range.
        """
        try:
            return self.field.checked(value)
        except ValueError as error:
            raise ValueError(f"{self.label.capitalize()} {error}") from None


@dataclass(frozen=True)
class Output:
    """A result of a node; a list of such, one for each picture, where `is_list` says so."""

    name: str
    type: str
    help: str = ""
    is_list: bool = False


@dataclass(frozen=True)
class Shown:
    """The outputs of a node in order, and what it shows of them itself."""

    outputs: tuple[Any, ...]
    details: Any = None


@dataclass(frozen=True)
class Node:
    """A node.

    Attributes:
        id: frozen for ever, since workflows hold it.
        title: what people read.
        help: what it does, in a sentence or two.
        inputs, outputs: in the order in which they are shown. Inputs are only ever appended, since workflows hold the
            values of fields by their place.
        function: takes a host and the inputs by name; returns the one output, a tuple of them, or those `Shown`.
        category: where menus have it, below `CATEGORY`.
        aliases: other words that people search for it by.
        essentials: the part of ComfyUI's short list of essential nodes that it belongs to; "" for none.
        shows: whether it shows its results itself, and so has an effect without anything connected to it.
    """

    id: str
    title: str
    help: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    function: Callable[..., Any]
    category: str = ""
    aliases: tuple[str, ...] = ()
    essentials: str = ""
    shows: bool = False

    def __call__(self, host: Any, **values: Any) -> Shown:
        """Run it; the outputs in order, with what it shows.

        Front ends check what is filled in, but not what comes along wires; here all of it is checked.

        Raises:
            ValueError: a value is not of its field's kind, or out of its range; or what the node itself finds wrong.
        """
        inputs = {given.name: given for given in self.inputs}
        result = self.function(host, **{name: inputs[name].checked(value) for name, value in values.items()})
        if isinstance(result, Shown):
            return result
        return Shown(result if isinstance(result, tuple) else (result,))


def node(
    id: str,
    title: str,
    help: str,
    *,
    outputs: tuple[Output, ...],
    category: str,
    aliases: tuple[str, ...] = (),
    essentials: str = "",
    shows: bool = False,
) -> Callable[[Callable[..., Any]], Node]:
    """Make a node of a function whose first parameter is the host, and whose others are annotated with fields."""

    def declare(function: Callable[..., Any]) -> Node:
        hints = get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        inputs = tuple(Input(p.name, _field(hints[p.name]), p.default) for p in parameters)
        return Node(id, title, help, inputs, outputs, function, category, aliases, essentials, shows)

    return declare


def _field(hint: Any) -> Field:
    found: Field = next(part for part in hint.__metadata__ if isinstance(part, Field))
    return found
