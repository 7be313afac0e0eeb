"""A word on an uploaded file at once: what is no picture is told and taken out of its field again."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from .pictures import preview_address
from .uploads import opened

UNSEEN = (".tif", ".tiff")  # kinds that browsers do not show
PREVIEW = 512  # pixels a side, at most


def check_at_once(field: Any) -> None:
    """Check what comes into a field of pictures; what it holds stays in the browser, which drops what was refused."""
    verdicts = gr.JSON(visible=False)
    checked = field.upload(
        _verdicts, field, verdicts, api_visibility="private", show_progress="hidden",
        concurrency_id="uploads", concurrency_limit=1,
    )  # fmt: skip
    kept = "(verdicts, files) => starflow.accepted(verdicts, files)"
    checked.then(None, [verdicts, field], field, js=kept, queue=False, api_visibility="private")


def _verdicts(files: Any) -> list[dict[str, Any]]:
    """For each file, whether it is taken, and a preview where the browser has none of its own."""
    paths = files if isinstance(files, list) else [files]
    return [_verdict(path) for path in paths if path]


def _verdict(path: str) -> dict[str, Any]:
    try:
        picture = opened(path)
    except ValueError as error:
        gr.Warning(html.escape(f"{Path(path).name}: {error}", quote=False))
        return {"taken": False}
    return {"taken": True, "preview": _preview(picture) if Path(path).suffix.lower() in UNSEEN else None}


def _preview(picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((PREVIEW, PREVIEW))
    return preview_address(small)
