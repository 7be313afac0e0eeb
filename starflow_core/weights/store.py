"""Where fetched models live on this machine, which there are, and which licences were accepted."""

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
BEGUN = ".begun.json"  # in a folder that is not a model yet: what it is to become
UNFINISHED = ".part"
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
        """Where a model is or will be; of one on the Hub, `owner/name`, too.

        Raises:
            ValueError: no model can have this name.
        """
        if not is_name(name):
            raise ValueError(f"{name!r} is no name of a model; one is like starflow-3b, or owner/name on the Hub.")
        return self.models / name.replace("/", "--")

    def find(self, name: str) -> Path | None:
        """The folder of a model that is here; none of what can be no name."""
        if not is_name(name):
            return None
        folder = self.folder(name)
        return folder if (folder / "config.json").is_file() else None

    def all(self) -> list[Stored]:
        """The models that are here, by name."""
        found = (path for path in _folders(self.models) if (path / "config.json").is_file())
        return [Stored(path.name.replace("--", "/"), path) for path in found if not path.name.endswith(UNFINISHED)]

    def remove(self, name: str) -> int:
        """Remove a model that was fetched, and what has arrived of it; the number of bytes that this frees.

        Raises:
            ValueError: no model can have this name, there is nothing of it here, or what is here was not fetched.
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
        """Where a model's folder is made, before it gets its name."""
        folder = self.folder(name)
        return folder.with_name(folder.name + UNFINISHED)

    def arriving(self, name: str) -> Path:
        """Where files of a model arrive that are not part of it, such as those that it is converted from."""
        return self.downloads / self.folder(name).name

    def begin(self, name: str) -> None:
        """Make the folders that a model is fetched into, with a note of what they become.

        Raises:
            ValueError: something else has the place of one of them.
        """
        for folder in (self.folder(name), *self._begun(name)):
            if folder.exists() and not _is_free_for(name, folder):
                raise ValueError(f"{folder} is there and was not fetched as {name!r}; move it elsewhere first.")
        for folder in self._begun(name):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / BEGUN).write_text(json.dumps({"checkpoint": name}), encoding="utf-8")

    def finish(self, name: str) -> Path:
        """Give a model that is complete its name, and remove what it was made from; its folder."""
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
    """Whether a model can have this name: one part, or `owner/name`, each the name of one folder and no more.

    None may begin or end with a dot, since `..` is the folder above, or look like what is not finished.
    """
    parts = name.split("/")
    return len(parts) <= 2 and all(PART_OF_A_NAME.fullmatch(part) and not part.endswith(UNFINISHED) for part in parts)


def _was_made_for(name: str, folder: Path) -> bool:
    """Whether a folder was made in fetching the model of this name, and is no link to another place."""
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
    """Whether a model can be fetched into a folder that is there: it is empty, or was made for this model."""
    return _was_made_for(name, folder) or (folder.is_dir() and not any(folder.iterdir()))


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
        return frozenset(json.loads(_acceptances().read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return frozenset()


def accept(licences: Iterable[Licence]) -> None:
    """Remember that this user accepts licences; a disk that cannot keep that is asked again next time."""
    names = accepted() | {licence.name for licence in licences}
    path = _acceptances()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(sorted(names)) + "\n", encoding="utf-8")


def _acceptances() -> Path:
    return home() / "accepted_licences.json"


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []
