"""Configurations under their published names, read from JSON or YAML, with clear errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

# Spellings of the published YAML, and the names that the checkpoints' own configuration uses.
ALIASES = {"channel_size": "in_channels"}

Config = TypeVar("Config")


def from_names(cls: type[Config], names: Mapping[str, Any]) -> Config:
    """A configuration dataclass from its published names; switches may be 0/1 or booleans.

    Raises:
        ValueError: a name is unknown, a required one is missing, or a value is out of range.
    """
    if twice := [alias for alias, name in ALIASES.items() if alias in names and name in names]:
        raise ValueError(f"The flow's configuration holds both {twice[0]} and {ALIASES[twice[0]]}; keep one of them.")
    values = {ALIASES.get(name, name): value for name, value in names.items()}
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - fields.keys()):
        raise ValueError(f"Unknown in a flow's configuration: {', '.join(unknown)}. Known: {', '.join(fields)}.")
    required = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    if missing := [name for name in required if name not in values]:
        raise ValueError(f"Missing from the flow's configuration: {', '.join(missing)}.")
    try:
        return cls(**{name: _parsed(name, str(fields[name].type), value) for name, value in values.items()})
    except TypeError as error:
        raise ValueError(f"The flow's configuration holds a value of the wrong type: {error}.") from error


def _parsed(name: str, kind: str, value: Any) -> Any:
    """A JSON or YAML value as the type of a field; TypeError where it is of another kind."""
    if value is None and kind.endswith("| None"):
        return None
    if kind == "bool" and value in (0, 1):
        return bool(value)
    if kind.startswith("tuple") and isinstance(value, (list, tuple)):
        return tuple(_parsed(name, "int", element) for element in value)
    if kind.startswith("int") and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind == "float" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind == "str" and isinstance(value, str):
        return value
    raise TypeError(f"{name} is {value!r} where {kind} is expected")
