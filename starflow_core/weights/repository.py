"""A repository on the Hub that is a model folder, as a checkpoint like those of the table."""

from __future__ import annotations

import re
from typing import Any

from .remote import FetchError, refuse_offline, told
from .table import AMLR, APACHE, MIT, Checkpoint, Licence, Part, RemoteFile

# Files of a model folder; other files of a repository are not downloaded.
WANTED = re.compile(
    r"(config\.json|reference\.json|README\.md|LICENSE[^/]*|NOTICE[^/]*|origin\.json|model[\w.-]*\.safetensors(\.index\.json)?"
    r"|text_encoder/[\w.-]+\.(json|safetensors)|tokenizer/[\w.-]+\.(json|txt|model)|vae/[\w.-]+\.(json|safetensors))"
)


def checkpoint_of(repository: str) -> Checkpoint:
    """A repository `owner/name` as a checkpoint.

    Raises:
        FetchError: the repository does not exist, or is not a model folder.
    """
    from huggingface_hub import HfApi

    refuse_offline(repository)
    with told(Part((), MIT, repository), "the list of files"):
        info = HfApi().model_info(repository, files_metadata=True)
    files = tuple(
        RemoteFile(entry.rfilename, entry.rfilename, entry.size or 0, entry.lfs.sha256 if entry.lfs else None)
        for entry in info.siblings or ()
        if WANTED.fullmatch(entry.rfilename)
    )
    names = {file.name for file in files}
    if "config.json" not in names or not any(name.startswith("model") for name in names):
        raise FetchError(
            f"{repository} is no model that this program knows: it needs config.json and model.safetensors. Published "
            ".pth files are converted by `starflow convert FILE FOLDER`."
        )
    part = Part(files, _licence(info), repository, info.sha or "main")
    return Checkpoint(repository, f"a model of {repository.partition('/')[0]} on the Hub", (part,))


def _licence(info: Any) -> Licence:
    """The licence that a repository's card names; whoever asks for a repository by its name has seen its page."""
    name = str(getattr(info.card_data, "license", None) or "no licence named")
    known = {licence.name.lower(): licence for licence in (AMLR, APACHE, MIT)}
    page = f"https://huggingface.co/{info.id}"
    return known.get(name.lower()) or Licence(name, page, "what its card says.", open=True)
