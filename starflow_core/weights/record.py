"""A record of the downloaded files of a checkpoint, with origin and hash, stored beside the files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .remote import Remote
from .table import Part, RemoteFile


class Record:
    """The files that are complete.

    Args:
        path: of the record.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.files: list[dict[str, Any]] = []
        if path.is_file():
            try:
                self.files = list(json.loads(path.read_text(encoding="utf-8")))
            except ValueError:  # truncated: verify everything again
                path.unlink()

    def of(self, part: Part) -> set[str]:
        """Names of the complete files of a part."""
        return {file["name"] for file in self.files if file["source"] == part.source}

    def commit(self, part: Part) -> str:
        """The commit of the part's other files, so that all are of one commit; else its revision."""
        commits = (file["commit"] for file in self.files if file["source"] == part.source and file["commit"])
        return next(commits, part.revision)

    def add(self, part: Part, file: RemoteFile, found: Remote, sha256: str) -> None:
        """Add a verified file."""
        kept = [entry for entry in self.files if (entry["source"], entry["name"]) != (part.source, file.name)]
        entry = {
            "name": file.name,
            "target": file.target,
            "source": part.source,
            "commit": found.commit,
            "size": found.size,
            "sha256": sha256,
            "licence": part.licence.name,
        }
        self.files = [*kept, entry]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = self._path.with_suffix(".new")
        written.write_text(json.dumps(self.files, indent=1), encoding="utf-8")
        os.replace(written, self._path)
