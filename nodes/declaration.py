"""The declaration of a node: a function whose parameters' annotations describe their input fields.

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

CATEGORY = "STARFlow"  # in the menu; each node's category is below it
# ComfyUI's names of the types on the wires.
MODEL, TEXT_ENCODER, ANOMALY = "STARFLOW_MODEL", "STARFLOW_TEXT_ENCODER", "STARFLOW_ANOMALY"
VAE, CONDITIONING, LATENT, IMAGE, MASK = "VAE", "CONDITIONING", "LATENT", "IMAGE", "MASK"
FLOAT, STRING = "FLOAT", "STRING"


@dataclass(frozen=True)
class Field:
    """An input field; front ends show `help` beside it."""

    help: str = ""

    def checked(self, value: Any) -> Any:
        """The checked value, from the field or from a wire.

        Raises:
            ValueError: it is of another type or out of range; the message continues the input's name.
        """
        return value


@dataclass(frozen=True)
class Socket(Field):
    """An input that takes a wire only.

    Attributes:
        type: of the value on the wire.
        many: of pictures: it takes a batch of them as one; front ends offer a field for several.
    """

    type: str = ""
    many: bool = False


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
    """Whether it is a finite number of Python or NumPy; some nodes pass NumPy's."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


@dataclass(frozen=True)
class Seed(Field):
    """A seed from 0 to 2⁶⁴ − 1, which front ends can change after a run."""

    def checked(self, value: Any) -> int:
        if not _is_number(value) or value % 1:
            raise ValueError(f"is {value!r}, and must be a whole number.")
        if not 0 <= value < 2**64:
            raise ValueError(f"is {value!r}, and must be from 0 to {2**64 - 1}.")
        return int(value)


@dataclass(frozen=True)
class Text(Field):
    """A text of at most `longest` characters, in a field of `lines` lines; with `is_file`, the name of a file."""

    lines: int = 1
    longest: int = 10_000
    is_file: bool = False

    def checked(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"is {value!r}, and must be text.")
        if len(value) > self.longest:
            raise ValueError(f"has {len(value):,} characters; {self.longest:,} is the most. Shorten it.")
        return value


@dataclass(frozen=True)
class Flag(Field):
    """A checkbox."""

    def checked(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"is {value!r}, and must be true or false.")
        return value


@dataclass(frozen=True)
class Choice(Field):
    """A choice from a list of names.

    Attributes:
        options: the names, or a function that lists them, because files come and go.
    """

    options: Sequence[str] | Callable[[], Sequence[str]] = ()

    def names(self) -> list[str]:
        """The current names."""
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
        field: its input field.
        default: its default value, or `REQUIRED`. A socket with default None may stay unconnected.
    """

    name: str
    field: Field
    default: Any = REQUIRED

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED

    @property
    def label(self) -> str:
        """The name that is shown."""
        return self.name.replace("_", " ")

    def checked(self, value: Any) -> Any:
        """The checked value.

        Raises:
            ValueError: it is of another type or out of range.
        """
        try:
            return self.field.checked(value)
        except ValueError as error:
            raise ValueError(f"{self.label.capitalize()} {error}") from None


def is_file(given: Input) -> bool:
    """Whether an input is the name of a file."""
    return isinstance(given.field, Text) and given.field.is_file


@dataclass(frozen=True)
class Output:
    """An output of a node; with `is_list`, a list with one value per picture.

    Attributes:
        is_file: of a text: it is the name of a file that the host has written.
    """

    name: str
    type: str
    help: str = ""
    is_list: bool = False
    is_file: bool = False


@dataclass(frozen=True)
class Shown:
    """The outputs of a node in order, and the data that it displays."""

    outputs: tuple[Any, ...]
    details: Any = None


@dataclass(frozen=True)
class Node:
    """A node.

    Attributes:
        id: never changes, because workflows store it.
        title: the name that is shown.
        help: a description in one or two sentences.
        inputs, outputs: in display order. New inputs go to the end, because workflows store the values of fields by
            position.
        function: takes a host and the inputs by name; returns the one output, a tuple of them, or those `Shown`.
        category: its submenu, below `CATEGORY`.
        aliases: further search words.
        essentials: its section in ComfyUI's list of essential nodes; "" for none.
        shows: it displays results itself, and so runs without a connected output.
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
        """Run the node; return the outputs in order, with the data that it displays.

        Front ends check fields but not wires; this checks both.

        Raises:
            ValueError: a value is of another type or out of range, or the node refuses it.
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
    """Make a node from a function: the first parameter is the host, the others are annotated with fields."""

    def declare(function: Callable[..., Any]) -> Node:
        hints = get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        inputs = tuple(Input(p.name, _field(hints[p.name]), p.default) for p in parameters)
        return Node(id, title, help, inputs, outputs, function, category, aliases, essentials, shows)

    return declare


def _field(hint: Any) -> Field:
    found: Field = next(part for part in hint.__metadata__ if isinstance(part, Field))
    return found
