"""The check of a file right after its upload: a file that is no picture gives a warning and leaves its field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from .errors import warn
from .pictures import preview_address
from .uploads import opened

UNSEEN = (".tif", ".tiff")  # formats that browsers do not show
PREVIEW = 512  # pixels a side, at most


def check_at_once(field: Any) -> None:
    """Check each file that is uploaded to a field. The browser keeps the field's value and drops refused files."""
    verdicts = gr.JSON(visible=False)
    checked = field.upload(
        _verdicts, field, verdicts, api_visibility="private", show_progress="hidden",
        concurrency_id="uploads", concurrency_limit=1,
    )  # fmt: skip
    kept = "(verdicts, files) => starflow.accepted(verdicts, files)"
    checked.then(None, [verdicts, field], field, js=kept, queue=False, api_visibility="private")


def _verdicts(files: Any) -> list[dict[str, Any]]:
    """Return for each file whether it is accepted, and a preview if browsers cannot show the file."""
    paths = files if isinstance(files, list) else [files]
    return [_verdict(path) for path in paths if path]


def _verdict(path: str) -> dict[str, Any]:
    try:
        picture = opened(path)
    except ValueError as error:
        warn(f"{Path(path).name}: {error}")
        return {"taken": False}
    return {"taken": True, "preview": _preview(picture) if Path(path).suffix.lower() in UNSEEN else None}


def _preview(picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((PREVIEW, PREVIEW))
    return preview_address(small)
