"""A server's description of a file before its download: address, size and hash; and errors, in words.

Addresses, tokens, mirrors (`HF_ENDPOINT`), offline mode and caches are huggingface_hub's.
"""

from __future__ import annotations

import errno
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from .table import Part, RemoteFile

SHA256 = re.compile(r"[0-9a-f]{64}")
GIT_SHA1 = re.compile(r"[0-9a-f]{40}")
TIMEOUT = 30  # seconds without an answer
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


class FetchError(ValueError):
    """A download failed; the message says why and what to do."""


@dataclass(frozen=True)
class Remote:
    """A file on a server, as the server describes it.

    Attributes:
        address: of its bytes.
        headers: of the request.
        size: in bytes; None where the server does not say.
        sha256: of the bytes; None where neither the table nor the server knows.
        git_sha1: git's hash of a small file; None of a large one.
        commit: of the repository; None where it is on no Hub.
        etag: changes when the bytes change.
    """

    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    commit: str | None = None
    etag: str = ""


def describe(part: Part, file: RemoteFile, revision: str | None = None) -> Remote:
    """Ask the server about a file.

    Args:
        part: that the file belongs to.
        file: the file.
        revision: replaces the part's.

    Raises:
        FetchError: the server cannot be reached, or refuses the file.
    """
    refuse_offline(f"{file.name} of {part.source}")
    with told(part, file.name):
        if part.repository:
            return _on_the_hub(part.repository, file, revision or part.revision)
        return _at_an_address(part.address + quote(file.name), file)


def cached(part: Part, file: RemoteFile, revision: str | None = None) -> tuple[Path, Remote] | None:
    """A file in huggingface_hub's cache, with its hash there."""
    from huggingface_hub import try_to_load_from_cache

    if not part.repository:
        return None
    found = try_to_load_from_cache(part.repository, file.name, revision=revision or part.revision)
    if not isinstance(found, str):
        return None
    path, etag = Path(found), Path(found).resolve().name
    sha256 = file.sha256 or (etag if SHA256.fullmatch(etag) else None)
    git_sha1 = etag if GIT_SHA1.fullmatch(etag) else None
    if sha256 is None and git_sha1 is None:
        return None
    commit = path.parts[path.parts.index("snapshots") + 1] if "snapshots" in path.parts else None
    return path, Remote(path.as_uri(), {}, path.stat().st_size, sha256, git_sha1, commit, etag)


def refuse_offline(what: str) -> None:
    """Raise if huggingface_hub is set to offline mode."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise FetchError(f"{what} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it; unset it.")


@contextmanager
def told(part: Part, name: str) -> Iterator[None]:
    """Turn the errors of libraries into clear messages."""
    from huggingface_hub import errors

    what = f"{name} of {part.source}"
    try:
        yield
    except errors.GatedRepoError as error:
        page = f"https://huggingface.co/{part.repository}"
        raise FetchError(
            f"{what} is given to those who accepted its terms: accept them at {page}, make a token at "
            "https://huggingface.co/settings/tokens, and set HF_TOKEN to it."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise FetchError(
            f"There is no repository {part.repository}, or it is private; where it is, set HF_TOKEN to a token that "
            "may read it."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise FetchError(f"{part.source} has no revision {part.revision!r}; update this program.") from error
    except errors.EntryNotFoundError as error:
        raise FetchError(f"{part.source} has no file {name} (any more); update this program.") from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        raise FetchError(f"{what}: {_in_words(status)}") from error
    except urllib.error.HTTPError as error:
        raise FetchError(f"{what}: {_in_words(error.code)}") from error
    except errors.FileMetadataError as error:
        raise FetchError(f"{what}: the server does not say what the file is; try again later.") from error
    except Exception as error:
        if isinstance(error, FetchError) or not _is_of_the_network(error):
            raise
        raise FetchError(
            f"{what} cannot be reached ({type(error).__name__}: {error}); look at the network, HTTPS_PROXY and "
            "HF_ENDPOINT, and run the same again: what has arrived is kept."
        ) from error


def _on_the_hub(repository: str, file: RemoteFile, revision: str) -> Remote:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    asked = hf_hub_url(repository, file.name, revision=revision)
    found = get_hf_file_metadata(asked, timeout=TIMEOUT)
    etag = found.etag or ""
    same_host = urlsplit(found.location).netloc == urlsplit(asked).netloc
    headers = build_hf_headers()
    if not same_host:  # a signed address elsewhere, which must not get the token
        headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
    return Remote(
        found.location,
        headers,
        found.size,
        file.sha256 or (etag if SHA256.fullmatch(etag) else None),
        etag if GIT_SHA1.fullmatch(etag) else None,
        found.commit_hash,
        etag,
    )


def _at_an_address(address: str, file: RemoteFile) -> Remote:
    request = urllib.request.Request(address, method="HEAD")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
        size, etag = reply.headers.get("Content-Length"), reply.headers.get("ETag", "")
    return Remote(address, {}, int(size) if size else None, file.sha256, etag=etag.strip('"'))


def _in_words(status: int | None) -> str:
    if status == 401:
        return "the server wants a token, or does not take the one in HF_TOKEN; make one and set HF_TOKEN to it."
    if status == 403:
        return "the server refuses; where the model is gated, accept its terms on its page, and set HF_TOKEN."
    if status == 404:
        return "there is no such file (any more); update this program."
    if status == 429:
        return "the server is asked too often; wait some minutes and run the same again."
    if status is not None and status >= 500:
        return f"the server has a fault of its own ({status}); run the same again later."
    return f"the server answers {status}; run the same again later."


def _is_of_the_network(error: Exception) -> bool:
    """Whether an error comes from an HTTP client; huggingface_hub has used several."""
    if isinstance(error, OSError):
        return error.errno not in OF_THE_DISK
    return type(error).__module__.partition(".")[0] in (
        *("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "http"),
    )
