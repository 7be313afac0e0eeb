"""Messages of nodes to the browser: likelihoods with their pictures in ComfyUI's temporary folder, and files."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import folder_paths
from PIL import Image

from .compression import Written
from .likelihood import Scored


def ui_of(details: Sequence[Scored] | Sequence[Written]) -> dict[str, Any]:
    """The message of a node that shows something."""
    written = [str(one) for one in details if isinstance(one, Written)]
    return {"text": written} if written else likelihood_ui([one for one in details if isinstance(one, Scored)])


def likelihood_ui(scored: Sequence[Scored]) -> dict[str, Any]:
    """Data for `web/likelihood.js`, one object per picture."""
    return {"starflow_likelihood": [{**one.described(), "image": _temporary(one.picture)} for one in scored]}


def _temporary(picture: Image.Image) -> dict[str, str]:
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    name = f"starflow_likelihood_{uuid.uuid4().hex[:12]}.png"
    picture.save(folder / name)
    return {"filename": name, "subfolder": "", "type": "temp"}
