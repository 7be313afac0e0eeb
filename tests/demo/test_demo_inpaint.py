"""The endpoint that draws parts of pictures anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_server import Demo
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from starflow_core.pipeline import Pipeline

QUICK: dict[str, Any] = {"count": 2, "rounds": 1, "steps": 2, "seed": 3}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo"), environment={"OMP_NUM_THREADS": "1"}) as server:
        yield server


def test_fills_are_ranked_and_the_rest_is_as_it_was(demo: Demo, pipeline: Pipeline, tmp_path: Path) -> None:
    visitor = Client(demo.address, verbose=False, download_files=tmp_path, analytics_enabled=False)
    owl = pipeline.generate("owl", seed=1)[0]
    mask = Image.new("L", owl.size)
    mask.paste(255, (20, 20, 44, 44))
    files = {}
    for name, picture in (
        ("owl", owl),
        ("mask", mask),
        ("small", mask.resize((32, 32))),
        ("all", Image.new("L", (64, 64), 255)),
    ):
        picture.save(tmp_path / f"{name}.png")
        files[name] = handle_file(str(tmp_path / f"{name}.png"))
    fills, told, numbers = visitor.predict(files["owl"], files["mask"], "owl", api_name="/inpaint", **QUICK)
    assert "as it was" in told
    assert numbers["log_probs"] == sorted(numbers["log_probs"], reverse=True)
    assert len(fills) == 2
    kept = np.asarray(mask) == 0
    for entry in fills:
        with Image.open(entry["image"]) as found:
            assert (np.asarray(found.convert("RGB"))[kept] == np.asarray(owl)[kept]).all()
    expected = pipeline.inpaint(owl, mask, "owl", **QUICK)
    assert numbers["log_probs"] == pytest.approx([fill.log_prob for fill in expected], abs=0.5)
    impossible: list[tuple[dict[str, Any], str]] = [
        ({"mask": files["small"]}, "The mask is 32×32 pixels"),
        ({"mask": files["all"]}, "white everywhere"),
        ({"count": 1e9}, "Count is"),
        ({"steps": -1}, "Steps is"),
        ({"temperature": 0}, "Temperature is 0"),
        ({"count": 8, "steps": 200}, "is the most here"),
        ({"seed": 2**60}, "Seed is"),
    ]
    for wrong, told in impossible:
        given = {"picture": files["owl"], "mask": files["mask"], "prompt": "owl", **QUICK, **wrong}
        with pytest.raises(AppError, match=told):
            visitor.predict(**given, api_name="/inpaint")
