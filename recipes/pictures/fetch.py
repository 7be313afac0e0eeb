"""The packages, fetched, checked against their pinned hashes, and unpacked: `python -m recipes.pictures.fetch`."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from fnmatch import fnmatch
from pathlib import Path

from filelock import FileLock

from .options import options
from .table import Package, packages

REGISTRY = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org")
TIMEOUT = 60  # seconds without an answer
TRIES = 3
BLOCK = 1 << 20


class FetchError(RuntimeError):
    """A package cannot be fetched, or is not the pinned one."""


def fetch(package: Package, folder: Path, registry: str = REGISTRY) -> Path:
    """Return the folder of a package's files; fetch and unpack the package if the folder does not exist.

    A partial download of an earlier try is resumed. An archive with a wrong hash is fetched once more.

    Args:
        package: the package.
        folder: the folder of archives and unpacked packages.
        registry: the address of the npm registry; http:, https: or file:.

    Raises:
        FetchError: there is no network or no such package, or the hash is not the pinned one.
    """
    target = folder / f"{package.key}-{_fingerprint(package)}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{package.key}.lock"):  # another process may prepare other sets of the same package
        if not target.exists():
            archive = _archive(package, folder, registry)
            part = target.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            _unpack(package, archive, part)
            part.rename(target)
    return target


def _archive(package: Package, folder: Path, registry: str) -> Path:
    """The package's archive with the pinned hash."""
    archive = folder / f"{package.key}-{package.version.replace(':', '_')}.{'tgz' if package.kind == 'npm' else 'deb'}"
    for _ in range(2):
        if not archive.exists():
            print(f"fetching {package.name} {package.version}", flush=True)
            _download_npm(package, archive, registry) if package.kind == "npm" else _download_deb(package, archive)
        if _hash(archive, package.hash) == package.hash:
            return archive
        archive.unlink()
    raise FetchError(
        f"{package.name} {package.version} is not the package that was pinned: its hash is not {package.hash}, "
        "fetched twice. Look for what changed before you change the hash in packages.toml."
    )


def _download_npm(package: Package, archive: Path, registry: str) -> None:
    base = package.name.rpartition("/")[2]
    address = f"{registry.rstrip('/')}/{package.name}/-/{base}-{package.version}.tgz"
    part = archive.with_suffix(".tgz.part")
    for attempt in range(TRIES):
        try:
            _resume(address, part)
            break
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing is left to fetch; the hash shows whether the file is right
                break
            raise FetchError(f"{address} answers {error.code} {error.reason}.") from error
        except OSError as error:
            if attempt == TRIES - 1:
                raise FetchError(
                    f"{address} cannot be fetched ({error}). Is there a network? Run the command again to go on "
                    f"from the {part.stat().st_size if part.exists() else 0:,} bytes that are there."
                ) from error
    part.rename(archive)


def _resume(address: str, part: Path) -> None:
    """Fetch into `part`; continue at its end if the server can do that."""
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={done}-"} if done else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
        resumed = getattr(reply, "status", None) == 206
        with part.open("ab" if resumed else "wb") as file:
            shutil.copyfileobj(reply, file, BLOCK)


def _download_deb(package: Package, archive: Path) -> None:
    work = archive.with_suffix(".download")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        subprocess.run(
            ["apt-get", "download", "--quiet", f"{package.name}={package.version}"],
            cwd=work,
            check=True,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise FetchError(
            f"{package.name} is a Debian package, and there is no apt-get here. Put its file, version "
            f"{package.version}, at {archive}."
        ) from error
    except subprocess.CalledProcessError as error:
        raise FetchError(
            f"apt-get cannot fetch {package.name} {package.version}: {error.stderr.strip()}\n"
            "Is there a network, and does `apt-get update` work?"
        ) from error
    (found,) = work.glob("*.deb")
    found.rename(archive)
    work.rmdir()


def _unpack(package: Package, archive: Path, target: Path) -> None:
    if package.kind == "deb":
        subprocess.run(["dpkg-deb", "-x", archive, target], check=True)
        return
    with tarfile.open(archive, mode="r|gz") as entries:
        for entry in entries:
            entry.name = entry.name.partition("/")[2]  # npm's archives hold all files in one folder
            if entry.isfile() and _wanted(package, entry.name):
                entries.extract(entry, target, filter="data")


def _wanted(package: Package, name: str) -> bool:
    return not package.keep or any(fnmatch(name, pattern) for pattern in package.keep)


def _hash(archive: Path, pinned: str) -> str:
    """Return the archive's hash in the format of the pinned one."""
    algorithm = pinned.partition("-")[0]
    digest = hashlib.new(algorithm)
    with archive.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    value = digest.hexdigest() if algorithm == "sha256" else base64.b64encode(digest.digest()).decode()
    return f"{algorithm}-{value}"


def _fingerprint(package: Package) -> str:
    """Return a short hash of the version and the kept files, so that another choice of files is unpacked again."""
    return hashlib.sha256(repr(package).encode()).hexdigest()[:8]


if __name__ == "__main__":
    chosen = options(__doc__)
    for each in packages().values():
        print(each.key, fetch(each, chosen.packages))
