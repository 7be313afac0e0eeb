"""The likelihood node's message to the browser: numbers, the map, and the picture in ComfyUI's temporary folder."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import folder_paths
from PIL import Image

from .likelihood import Scored


def likelihood_ui(scored: Sequence[Scored]) -> dict[str, Any]:
    """Data for `web/likelihood.js`, one object per picture."""
    return {"starflow_likelihood": [{**one.described(), "image": _temporary(one.picture)} for one in scored]}


def _temporary(picture: Image.Image) -> dict[str, str]:
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    name = f"starflow_likelihood_{uuid.uuid4().hex[:12]}.png"
    picture.save(folder / name)
    return {"filename": name, "subfolder": "", "type": "temp"}
