"""Models that a real ComfyUI loads in part only: set COMFYUI_DIR and COMFYUI_PYTHON as for its other tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif("COMFYUI_DIR" not in os.environ, reason="COMFYUI_DIR is not set to a ComfyUI checkout")
SCRIPT = Path(__file__).parent.parent / "inside_comfyui_budgets.py"


def has_dynamic_memory() -> bool:
    return (Path(os.environ.get("COMFYUI_DIR", ".")) / "comfy" / "memory_management.py").exists()


@pytest.fixture(scope="module", params=["", "lazy"], ids=["layers with weights", "layers that get theirs later"])
def walked(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param and not has_dynamic_memory():
        pytest.skip("this ComfyUI has no dynamic VRAM")
    command = [os.environ.get("COMFYUI_PYTHON", sys.executable), str(SCRIPT), *filter(None, [request.param])]
    finished = subprocess.run(command, cwd=os.environ["COMFYUI_DIR"], capture_output=True, text=True, timeout=280)
    assert finished.returncode == 0, finished.stderr[-3000:]
    found: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return found


def test_everything_is_computed_on_the_device_that_comfyui_says(walked: dict[str, Any]) -> None:
    assert walked["devices"] == ["meta"] * 3


def test_ever_more_of_the_flow_was_there(walked: dict[str, Any]) -> None:
    """So that the other tests are of what they say."""
    shares = walked["shares"]
    assert shares == sorted(shares)
    assert shares[0] < 0.05
    assert 0.2 < shares[2] < 0.8
    assert shares[-1] == 1


@pytest.mark.parametrize("what", ["text", "latent", "noise", "log_prob", "pixels", "encoded"])
def test_results_are_those_of_a_model_in_one_place(walked: dict[str, Any], what: str) -> None:
    assert max(walked["errors"][what]) < 1e-4
