from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from starflow_core.pipeline import Pipeline
from starflow_core.weights import model_folder


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline) -> Path:
    """A folder of its own as the working directory; the embedded model is loaded no more than once."""
    read = model_folder.load

    def load(name: Any = model_folder.DEFAULT_MODEL, **kwargs: Any) -> Pipeline:
        is_default = Path(name).name == model_folder.DEFAULT_MODEL and kwargs.get("device") in (None, "cpu")
        return pipeline if is_default else read(name, **kwargs)

    monkeypatch.setattr(model_folder, "load", load)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "picture.jpg"
    Image.effect_noise((70, 60), 50).convert("RGB").save(path)
    return str(path)
