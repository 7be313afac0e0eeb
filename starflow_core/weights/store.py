"""The store of fetched models and accepted licences on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .table import Licence

ORIGIN = "origin.json"  # in a model folder: where it came from
BEGUN = ".begun.json"  # in an unfinished folder: the model that it becomes
UNFINISHED = ".part"
SAFETENSORS = ".safetensors"
PART_OF_A_NAME = re.compile(r"\w[^/\\:*?\"<>|\x00-\x1f]*(?<![. ])")


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
        return sum(_size(path) for path in self.folder.rglob("*"))


class Store:
    """A folder of models and of their partial downloads.

    Args:
        root: `home()` by default; front ends have their own.
        models: holds one folder per model; `models` in the root by default.
    """

    def __init__(self, root: Path | None = None, models: Path | None = None) -> None:
        self.root = root or home()
        self.models = models or self.root / "models"

    @property
    def downloads(self) -> Path:
        """Files that are complete or partial, and not in a model yet."""
        return self.root / "downloads"

    def folder(self, name: str) -> Path:
        """The folder of a model, present or future; also of one on the Hub, `owner/name`.

        Raises:
            ValueError: the name is not allowed.
        """
        if not is_name(name):
            raise ValueError(f"{name!r} is no name of a model; one is like starflow-3b, or owner/name on the Hub.")
        return self.models / name.replace("/", "--")

    def find(self, name: str) -> Path | None:
        """The folder of a model on this machine; None for a missing one or an invalid name."""
        if not is_name(name):
            return None
        folder = self.folder(name)
        return folder if (folder / "config.json").is_file() else None

    def all(self) -> list[Stored]:
        """The models on this machine, by name."""
        found = (path for path in _folders(self.models) if (path / "config.json").is_file())
        return [Stored(path.name.replace("--", "/"), path) for path in found if not path.name.endswith(UNFINISHED)]

    def remove(self, name: str) -> int:
        """Remove a fetched model and its partial downloads; return the number of freed bytes.

        Raises:
            ValueError: the name is not allowed, there is nothing to remove, or the folder was not fetched.
        """
        found = [path for path in (self.folder(name), *self._begun(name)) if path.is_dir()]
        if not found:
            here = ", ".join(stored.name for stored in self.all()) or "none"
            raise ValueError(f"There is no model {name!r} in {self.models}; those here: {here}.")
        if others := [path for path in found if not _was_made_for(name, path)]:
            raise ValueError(f"{others[0]} was not fetched as {name!r}, and is left; remove it yourself.")
        freed = sum(Stored(name, path).size for path in found)
        for path in found:
            shutil.rmtree(path)
        return freed

    def unfinished(self, name: str) -> Path:
        """The folder of a model before it gets its name."""
        folder = self.folder(name)
        return folder.with_name(folder.name + UNFINISHED)

    def arriving(self, name: str) -> Path:
        """The folder of files that do not become part of a model, such as those that it is converted from."""
        return self.downloads / self.folder(name).name

    def begin(self, name: str) -> None:
        """Make the folders of a download, with a note of the model that they become.

        Raises:
            ValueError: another file or folder is in the way.
        """
        for folder in (self.folder(name), *self._begun(name)):
            if folder.exists() and not _is_free_for(name, folder):
                raise ValueError(f"{folder} is there and was not fetched as {name!r}; move it elsewhere first.")
        for folder in self._begun(name):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / BEGUN).write_text(json.dumps({"checkpoint": name}), encoding="utf-8")

    def finish(self, name: str) -> Path:
        """Give a complete model its name, remove the files that it was made from, and return its folder."""
        unfinished, final = self.unfinished(name), self.folder(name)
        (unfinished / BEGUN).unlink()
        if final.exists():  # empty or incomplete, as `begin` made sure
            shutil.rmtree(final)
        os.replace(unfinished, final)
        shutil.rmtree(self.arriving(name), ignore_errors=True)
        return final

    def _begun(self, name: str) -> tuple[Path, Path]:
        return self.unfinished(name), self.arriving(name)


def is_name(name: str) -> bool:
    """Whether a name is allowed: one part, or `owner/name`, each a plain name of a folder.

    No part begins or ends with a dot, because `..` is the parent folder, or looks like an unfinished folder.
    """
    parts = name.split("/")
    return len(parts) <= 2 and all(PART_OF_A_NAME.fullmatch(part) and not part.endswith(UNFINISHED) for part in parts)


def _was_made_for(name: str, folder: Path) -> bool:
    """Whether a fetch of this model made the folder, and it is not a link."""
    if folder.is_symlink():
        return False
    for note in (BEGUN, ORIGIN):
        try:
            content = json.loads((folder / note).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and content.get("checkpoint") == name:
            return True
    return False


def _is_free_for(name: str, folder: Path) -> bool:
    """Whether a model can be fetched into an existing folder: it is empty, or was made for this model."""
    return _was_made_for(name, folder) or (folder.is_dir() and not any(folder.iterdir()))


_added: list[Store] = []
_lora_places: list[Path] = []


def add_place(store: Store) -> None:
    """Search models in another store too, before the user's own."""
    if all(store.models != known.models for known in _added):
        _added.append(store)


def places() -> list[Store]:
    """The stores to search; new models go to the first."""
    return [*_added, Store()]


def find(name: str) -> Path | None:
    """The folder of a fetched model in any store."""
    return next((folder for store in places() if (folder := store.find(name))), None)


def fetched() -> list[Stored]:
    """All fetched models of all stores."""
    return [stored for store in places() for stored in store.all()]


def scorers() -> dict[str, Path]:
    """Files of `starflow anomaly fit` beside the models of all stores, by name; the first of a name counts."""
    found: dict[str, Path] = {}
    for store in places():
        files = sorted(store.models.glob(f"*{SAFETENSORS}")) if store.models.is_dir() else []
        found = {path.name: path for path in files if path.is_file()} | found
    return found


def loras() -> dict[str, Path]:
    """LoRAs on this machine, by name: files below the folders of LoRAs; the first of a name counts."""
    found: dict[str, Path] = {}
    for place in [*_lora_places, home() / "loras"]:
        files = sorted(place.rglob(f"*{SAFETENSORS}")) if place.is_dir() else []
        found = {path.relative_to(place).as_posix(): path for path in files} | found
    return found


def add_lora_place(folder: Path) -> None:
    """Search LoRAs in a folder too, before the user's own."""
    if folder not in _lora_places:
        _lora_places.append(folder)


def accepted() -> frozenset[str]:
    """Names of the licences that this user has accepted."""
    try:
        return frozenset(json.loads(_acceptances().read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return frozenset()


def accept(licences: Iterable[Licence]) -> None:
    """Remember that this user accepts licences; if the disk cannot store this, the next fetch asks again."""
    names = accepted() | {licence.name for licence in licences}
    path = _acceptances()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(sorted(names)) + "\n", encoding="utf-8")


def _acceptances() -> Path:
    return home() / "accepted_licences.json"


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _size(path: Path) -> int:
    """Of a file, in bytes; 0 for a folder, and for what another process has just removed."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0
