"""Where fetched models live on this machine, which there are, and which licences were accepted."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .table import Licence

ORIGIN = "origin.json"  # in a model folder: where it came from
UNFINISHED = ".part"


def home() -> Path:
    """`STARFLOW_HOME`, or `starflow` in the user's folder for caches."""
    if own := os.environ.get("STARFLOW_HOME"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "starflow"


@dataclass(frozen=True)
class Stored:
    """A model on this machine."""

    name: str
    folder: Path

    @property
    def size(self) -> int:
        """Of all its files, in bytes."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


class Store:
    """A folder of models, and of what has arrived of them.

    Args:
        root: `home()` by default; front ends have places of their own.
        models: holds a folder a model; `models` in the root by default.
    """

    def __init__(self, root: Path | None = None, models: Path | None = None) -> None:
        self.root = root or home()
        self.models = models or self.root / "models"

    @property
    def downloads(self) -> Path:
        """Files that have arrived, or begun to, and are not in a model yet."""
        return self.root / "downloads"

    def folder(self, name: str) -> Path:
        """Where a model is or will be; of one on the Hub, `owner/name`, too."""
        return self.models / name.replace("/", "--")

    def find(self, name: str) -> Path | None:
        """The folder of a model that is here."""
        folder = self.folder(name)
        return folder if (folder / "config.json").is_file() else None

    def all(self) -> list[Stored]:
        """The models that are here, by name."""
        found = (path for path in _folders(self.models) if (path / "config.json").is_file())
        return [Stored(path.name.replace("--", "/"), path) for path in found if not path.name.endswith(UNFINISHED)]

    def remove(self, name: str) -> int:
        """Remove a model, and what has arrived of it; the number of bytes that this frees.

        Raises:
            ValueError: there is nothing of it here.
        """
        folder = self.folder(name)
        found = [path for path in (folder, self.unfinished(name), self.downloads / folder.name) if path.is_dir()]
        if not found:
            here = ", ".join(stored.name for stored in self.all()) or "none"
            raise ValueError(f"There is no model {name!r} in {self.models}; those here: {here}.")
        freed = sum(Stored(name, path).size for path in found)
        for path in found:
            shutil.rmtree(path)
        return freed

    def unfinished(self, name: str) -> Path:
        """Where a model's folder is made, before it gets its name."""
        folder = self.folder(name)
        return folder.with_name(folder.name + UNFINISHED)


_added: list[Store] = []


def add_place(store: Store) -> None:
    """Have models looked for in another place, too, before the user's own."""
    if all(store.models != known.models for known in _added):
        _added.append(store)


def places() -> list[Store]:
    """Where models are looked for; new ones go to the first."""
    return [*_added, Store()]


def find(name: str) -> Path | None:
    """The folder of a fetched model, wherever it is."""
    return next((folder for store in places() if (folder := store.find(name))), None)


def fetched() -> list[Stored]:
    """All fetched models, wherever they are."""
    return [stored for store in places() for stored in store.all()]


def accepted() -> frozenset[str]:
    """Names of the licences that this user has accepted."""
    try:
        return frozenset(json.loads(_acceptances().read_text()))
    except (OSError, ValueError):
        return frozenset()


def accept(licences: Iterable[Licence]) -> None:
    """Remember that this user accepts licences; a disk that cannot keep that is asked again next time."""
    names = accepted() | {licence.name for licence in licences}
    path = _acceptances()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(sorted(names)) + "\n")


def _acceptances() -> Path:
    return home() / "accepted_licences.json"


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []
