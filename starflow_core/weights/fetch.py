"""Fetch a checkpoint: accept licences, download files, convert the flow, name the folder at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from . import remote
from .conversion import convert, write_flow_config
from .download import download, partial
from .folder_texts import complete_autoencoder_config, write_origin
from .record import Record
from .remote import FetchError, Remote
from .repository import checkpoint_of
from .store import Store, accept, accepted, places
from .table import CHECKPOINTS, Checkpoint, Licence, Part, RemoteFile

SPARE = 500_000_000  # bytes of disk to leave free


class LicenceError(FetchError):
    """A licence is not accepted; each front end says how to accept it."""


@dataclass(frozen=True)
class Progress:
    """Progress of a fetch. An exception in the callback cancels the fetch; what arrived is kept.

    Attributes:
        stage: the current step, in words.
        done, total: bytes of all files to download, or of the flow to convert.
    """

    stage: str
    done: int
    total: int


Report = Callable[[Progress], None]


def checkpoint(name: str) -> Checkpoint:
    """A checkpoint of the table, or a repository on the Hub, `owner/name`, in the layout of a model folder.

    Raises:
        FetchError: neither exists.
    """
    if name in CHECKPOINTS:
        return CHECKPOINTS[name]
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return checkpoint_of(name)
    known = ", ".join(CHECKPOINTS)
    raise FetchError(f"There is no checkpoint {name!r}: known are {known}, and owner/name of a model on the Hub.")


def fetch(
    name: str,
    *,
    store: Store | None = None,
    dtype: torch.dtype = torch.bfloat16,
    accepts: Callable[[Licence], bool] = lambda licence: False,
    report: Report = lambda progress: None,
    given: Path | None = None,
) -> Path:
    """The folder of a checkpoint; downloads it if it is not on this machine.

    Args:
        name: of a checkpoint of the table, or `owner/name` on the Hub.
        store: where models are stored.
        dtype: of the flow on disk, where it is converted.
        accepts: called with each licence that this user has not accepted; returns whether they do.
        report: called with the progress; an exception that it raises cancels.
        given: the published file of the flow, if it is on this machine already.

    Raises:
        FetchError: a licence is not accepted, a file is not available, or the disk is too small.
        ValueError: a downloaded file is not what it should be.
        OSError: the disk cannot be written.
    """
    store = store or places()[0]
    if folder := store.find(name):
        return folder
    chosen = checkpoint(name)
    _accept(chosen.licences, accepts)
    with _alone(store, chosen):
        return store.find(name) or _Fetch(chosen, store, dtype, report, given).run()


@contextmanager
def _alone(store: Store, chosen: Checkpoint) -> Iterator[None]:
    """Lock out other programs that fetch the same; the lock ends with this process."""
    store.root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(store.root / f".{store.folder(chosen.name).name}.lock")
    try:
        acquired = lock.acquire(timeout=0)
    except Timeout:
        raise FetchError(f"{chosen.name} is being fetched by another program on this machine; wait for that.") from None
    with acquired:
        yield


def link_or_copy(path: Path, target: Path) -> None:
    """Link a file to another name, or copy it to another disk."""
    target.unlink(missing_ok=True)
    try:
        os.link(path.resolve(), target)
    except OSError:
        shutil.copyfile(path, target)


def _accept(licences: Iterable[Licence], accepts: Callable[[Licence], bool]) -> None:
    known = accepted()
    for licence in licences:
        if licence.open or licence.name in known:
            continue
        if not accepts(licence):
            raise LicenceError(
                f"The licence {licence.name} ({licence.address}) has not been accepted: {licence.summary}"
            )
        accept([licence])


@dataclass(frozen=True)
class _Wanted:
    """A file of a checkpoint, and its path until the model is complete."""

    part: Part
    file: RemoteFile
    path: Path


class _Fetch:
    """One fetch of one checkpoint.

    A record lists the complete files. The next fetch continues from it, at the same commits.
    """

    def __init__(
        self, chosen: Checkpoint, store: Store, dtype: torch.dtype, report: Report, given: Path | None
    ) -> None:
        self.chosen, self.store, self.dtype, self.report = chosen, store, dtype, report
        self.folder, self.downloads = store.unfinished(chosen.name), store.arriving(chosen.name)
        self.record = Record(self.downloads / "record.json")
        self.flow_file = given

    def run(self) -> Path:
        self.store.begin(self.chosen.name)
        missing = [wanted for wanted in self._wanted() if not self._is_here(wanted)]
        self._fetch_files([wanted for wanted in missing if not self._take_from_cache(wanted)])
        changes = self._convert()
        complete_autoencoder_config(self.folder)
        write_origin(self.folder, self.chosen, self.record.files, changes)
        return self.store.finish(self.chosen.name)

    def _wanted(self) -> Iterator[_Wanted]:
        for part in self.chosen.parts:
            for file in part.files:
                if not file.is_converted:
                    yield _Wanted(part, file, self.folder / file.target)
                elif self.flow_file is None:
                    yield _Wanted(part, file, self.downloads / file.name)

    def _is_here(self, wanted: _Wanted) -> bool:
        """Whether a file has arrived before."""
        return wanted.file.name in self.record.of(wanted.part) and wanted.path.is_file()

    def _take_from_cache(self, wanted: _Wanted) -> bool:
        """Take a file from huggingface_hub's cache, if it is there and undamaged."""
        found = remote.cached(wanted.part, wanted.file, self.record.commit(wanted.part))
        if found is None:
            return False
        path, described = found
        wanted.path.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(path, partial(wanted.path, described))
        try:
            sha256 = download(described, wanted.path, lambda count: None)  # only to be verified
        except FetchError:
            return False
        self.record.add(wanted.part, wanted.file, described, sha256)
        return True

    def _fetch_files(self, missing: Sequence[_Wanted]) -> None:
        described = [remote.describe(w.part, w.file, self.record.commit(w.part)) for w in missing]
        sizes = [found.size or wanted.file.size for wanted, found in zip(missing, described, strict=True)]
        self._check_disk(missing, described, sum(sizes))
        done = 0

        def came(count: int) -> None:
            nonlocal done
            done += count
            self.report(Progress("fetching", done, max(done, sum(sizes))))

        for wanted, first in zip(missing, described, strict=True):
            self._fetch_one(wanted, first, came)

    def _fetch_one(self, wanted: _Wanted, first: Remote, came: Callable[[int], None]) -> None:
        def again() -> Remote:
            return remote.describe(wanted.part, wanted.file, first.commit)

        wanted.path.parent.mkdir(parents=True, exist_ok=True)
        if wanted.path.is_file():  # arrived, but not noted: to be verified again
            os.replace(wanted.path, partial(wanted.path, first))
        with remote.told(wanted.part, wanted.file.name):
            sha256 = download(first, wanted.path, came, again=again)
        self.record.add(wanted.part, wanted.file, first, sha256)

    def _check_disk(self, missing: Sequence[_Wanted], described: Sequence[Remote], size: int) -> None:
        """Check before the work that the disk holds the files and the model made of them."""
        pairs = zip(missing, described, strict=True)
        arrived = sum(path.stat().st_size for w, found in pairs if (path := partial(w.path, found)).exists())
        scale = self.dtype.itemsize / torch.bfloat16.itemsize
        needed = size - arrived + int(self.chosen.converted_size * scale) + SPARE
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise FetchError(
                f"{self.chosen.name} needs {needed / 1e9:.1f} GB for a while on the disk of {self.folder.parent}, "
                f"which has {free / 1e9:.1f} GB free. Make room, or set STARFLOW_HOME to a folder on another disk."
            )

    def _convert(self) -> tuple[str, ...]:
        """Convert the flow of a published file into the folder; return the changes, in words."""
        files = [file for part in self.chosen.parts for file in part.files if file.is_converted]
        if not files:
            return ()
        source = self.flow_file or self.downloads / files[0].name
        done = 0

        def came(count: int) -> None:
            nonlocal done
            done += count
            self.report(Progress("converting", done, max(done, self.chosen.converted_size)))

        converted = convert(source, self.folder, dtype=self.dtype, noise_std=self.chosen.noise_std, report=came)
        write_flow_config(self.folder, converted, self.chosen.guidance, self.chosen.classes)
        return converted.changes
