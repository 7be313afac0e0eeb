"""The table of the sets of pictures and of the packages that they come in."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Package:
    """A package of a registry, pinned to one version and hash."""

    key: str
    kind: str  # npm or deb
    name: str
    version: str
    hash: str  # ALGORITHM-VALUE, as the registry states it
    keep: tuple[str, ...] = ()  # patterns of the files to unpack; if empty, all files


@dataclass(frozen=True)
class PictureSet:
    """A set of pictures: `sets.toml` says what each field means."""

    key: str
    package: str
    reader: str
    title: str
    author: str
    url: str
    licence: str
    style: str
    group: str
    weight: float
    cap: int | None = None
    skip: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    joined: bool = False
    sizes: bool = False
    cropped: bool = False
    recolour: bool = True


@cache
def packages() -> dict[str, Package]:
    """All packages by their key."""
    return {key: Package(key, **row | {"keep": _kept(key, row)}) for key, row in read_toml("packages.toml").items()}


@cache
def sets() -> dict[str, PictureSet]:
    """All sets by their key, in the order in which their pictures are kept."""
    rows = read_toml("sets.toml")
    return {key: PictureSet(key, **{k: _frozen(v) for k, v in row.items()}) for key, row in rows.items()}


def _kept(package: str, row: dict) -> tuple[str, ...]:
    """The patterns of a package's files, with the names of its sets filled in."""
    keys = [s.key for s in sets().values() if s.package == package] or [""]
    return tuple(sorted({pattern.format(set=key) for pattern in row.get("keep", ()) for key in keys}))


def read_toml(name: str) -> dict[str, Any]:
    """Read a TOML file of this package."""
    return tomllib.loads((HERE / name).read_text())


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
