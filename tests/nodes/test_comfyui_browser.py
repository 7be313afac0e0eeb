"""The example graphs and the likelihood widget in ComfyUI's real front end: set COMFYUI_DIR, and have a chromium."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from comfyui_server import ComfyUI

if TYPE_CHECKING:
    from browser import Page

pytestmark = pytest.mark.skipif("COMFYUI_DIR" not in os.environ, reason="COMFYUI_DIR is not set to a ComfyUI checkout")
ROOT = Path(__file__).parent.parent.parent
VUE = os.environ.get("COMFYUI_VUE_FRONTEND", "")
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    with ComfyUI(tmp_path_factory.mktemp("comfyui")) as server:
        shutil.copy(server.checkout / "input" / "example.png", server.folder / "input")
        yield server


def test_templates_are_offered_with_their_pictures(comfy: ComfyUI) -> None:
    assert set(comfy.get("/workflow_templates")["starflow"]) == {path.stem for path in WORKFLOWS}
    assert all(path.with_suffix(".jpg").stat().st_size > 2_000 for path in WORKFLOWS)


def test_every_node_has_help_in_the_front_end(comfy: ComfyUI) -> None:
    from urllib.request import urlopen

    from nodes.catalogue import NODES

    for node in NODES:
        with urlopen(f"{comfy.address}/extensions/starflow/docs/{node.id}.md", timeout=10) as reply:
            assert node.title in reply.read().decode()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_template_opens_and_runs_without_complaints(comfy: ComfyUI, path: Path) -> None:
    from browser import opened

    with opened(comfy) as page:
        page.open_workflow(json.loads(path.read_text()))
        outputs = page.run()
        assert outputs
        assert page.errors == []


def test_likelihood_is_shown_over_the_picture_with_the_value_under_the_pointer(comfy: ComfyUI) -> None:
    from browser import opened

    with opened(comfy) as page:
        try_likelihood(page)
        assert page.errors == []


@pytest.mark.skipif(
    not VUE, reason="COMFYUI_VUE_FRONTEND is not set to the static folder of a front end with Vue nodes"
)
def test_likelihood_is_shown_on_a_vue_node(tmp_path: Path) -> None:
    from browser import opened

    with ComfyUI(tmp_path / "comfyui", "--front-end-root", VUE) as server:
        shutil.copy(server.checkout / "input" / "example.png", server.folder / "input")
        with opened(server, {"Comfy.VueNodes.Enabled": True}) as page:
            try_likelihood(page)


def try_likelihood(page: Page) -> None:
    """Run the example graph, point at the picture, and move the slider."""
    page.open_workflow(json.loads((ROOT / "workflows" / "likelihood.json").read_text()))
    view = page.page.locator(".starflow-likelihood")
    assert "run to see" in view.inner_text()
    page.run()
    assert "bits/dim" in view.inner_text()
    canvas = view.locator("canvas")
    canvas.hover()
    assert "nats here" in view.inner_text()
    before = canvas.evaluate("(canvas) => canvas.toDataURL()")
    view.locator("input").fill("0")
    assert canvas.evaluate("(canvas) => canvas.toDataURL()") != before
    page.page.mouse.move(5, 5)
    page.page.wait_for_timeout(200)
    assert "bits/dim" in view.inner_text()
