"""The example graphs and the pack's own parts in ComfyUI's real front ends: set COMFYUI_DIR, and have a chromium.

Every test runs with classic nodes; with Vue nodes, where the front end has them; and with those of a newer front end,
where COMFYUI_VUE_FRONTEND is its `static` folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from comfyui_server import ComfyUI

from nodes.catalogue import NODES

if TYPE_CHECKING:
    from browser import Box, Page

pytestmark = pytest.mark.skipif("COMFYUI_DIR" not in os.environ, reason="COMFYUI_DIR is not set to a ComfyUI checkout")
ROOT = Path(__file__).parent.parent.parent
NEWER = os.environ.get("COMFYUI_VUE_FRONTEND", "")
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
HAS_VUE_NODES = (1, 40)  # the first version whose Vue nodes are finished enough
TYPES = ("STARFLOW_MODEL", "STARFLOW_TEXT_ENCODER")


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    with ComfyUI(tmp_path_factory.mktemp("comfyui"), "--preview-method", "auto") as server:
        yield server


@pytest.fixture(scope="module", params=["classic", "vue", "newer"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    from browser import VUE_NODES, opened

    if request.param == "newer":
        if not NEWER:
            pytest.skip("COMFYUI_VUE_FRONTEND is not set to the static folder of a front end with Vue nodes")
        options = ("--preview-method", "auto", "--front-end-root", NEWER)
        with ComfyUI(tmp_path_factory.mktemp("newer"), *options) as server, opened(server, VUE_NODES) as page:
            yield page
        return
    with opened(request.getfixturevalue("comfy"), VUE_NODES if request.param == "vue" else {}) as page:
        if request.param == "vue" and page.version < HAS_VUE_NODES:
            pytest.skip("this front end has no Vue nodes")
        yield page


@pytest.fixture(autouse=True)
def nothing_is_complained_of(request: pytest.FixtureRequest) -> Iterator[None]:
    """Any error of the console, alert, toast or dialogue is a failure of the test in which it came."""
    page = request.getfixturevalue("page") if "page" in request.fixturenames else None
    yield
    if page is not None:
        complaints = page.complaints
        page.forget()
        assert complaints == []


def workflow(name: str) -> Any:
    return json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))


# What the server offers


def test_templates_are_offered(comfy: ComfyUI) -> None:
    assert set(comfy.get("/workflow_templates")["starflow"]) == {path.stem for path in WORKFLOWS}


def test_every_node_has_help_in_the_front_end(comfy: ComfyUI) -> None:
    for node in NODES:
        with urlopen(f"{comfy.address}/extensions/starflow/docs/{node.id}.md", timeout=10) as reply:
            assert node.title in reply.read().decode()


def test_translations_are_offered(comfy: ComfyUI) -> None:
    offered = comfy.get("/i18n")
    for language in ("en", "de", "es", "fr", "id", "ja", "ko", "zh"):
        assert "STARFlowSampler" in offered[language]["nodeDefs"]


def test_nodes_are_found_by_other_words_where_the_version_knows_such(comfy: ComfyUI) -> None:
    known = comfy.get("/object_info")
    aliases = {node.id: known[node.id].get("search_aliases") for node in NODES}
    if "search_aliases" not in known["KSampler"]:
        assert set(aliases.values()) == {None}
        return
    for words, node in (
        *(("normalizing flow", "STARFlowSampler"), ("inversion", "STARFlowInvert")),
        *(("heatmap", "STARFlowLikelihood"), ("log likelihood", "STARFlowLikelihood")),
    ):
        assert words in aliases[node]
    assert known["STARFlowSampler"]["essentials_category"] == "Image Generation"
    assert {known[node.id]["category"] for node in NODES} == {f"STARFlow/{node.category}" for node in NODES}


# Example graphs


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_template_opens_and_runs_without_overlaps(page: Page, path: Path) -> None:
    page.open_workflow(workflow(path.stem))
    assert overlaps(page.boxes()) == []
    assert page.run()
    assert overlaps(page.boxes()) == []  # pictures are shown, and take their room


def overlaps(boxes: dict[str, Box]) -> list[tuple[str, str]]:
    """Pairs of nodes that share a place, with their titles."""
    from browser import NODE_TITLE

    whole = {
        name: (left, top - NODE_TITLE, width, height + NODE_TITLE) for name, (left, top, width, height) in boxes.items()
    }
    return [
        (one, other)
        for (one, a), (other, b) in combinations(whole.items(), 2)
        if all(a[i] < b[i] + b[i + 2] and b[i] < a[i] + a[i + 2] for i in (0, 1))
    ]


def test_samplers_preview_has_its_room(page: Page) -> None:
    """While it draws, the picture is shown on the sampler, within its box."""
    graph = workflow("text_to_image")
    sampler = next(node for node in graph["nodes"] if node["type"] == "STARFlowSampler")
    sampler["widgets_values"][sampler["widgets_values"].index("jacobi")] = "sequential"  # slow enough to be watched
    page.open_workflow(graph)
    seen = page.previews(sampler["id"])
    assert seen, "no preview was shown"
    assert all(height >= 100 for height in seen)


# The likelihood's widget


def test_likelihood_is_shown_over_the_picture_with_the_value_under_the_pointer(page: Page) -> None:
    page.open_workflow(workflow("likelihood"))
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


def test_likelihood_survives_another_tab_and_a_reload(page: Page) -> None:
    page.open_workflow(workflow("likelihood"))
    page.run()
    view = page.page.locator(".starflow-likelihood")
    measured, drawn = view.inner_text(), view.locator("canvas").evaluate("(canvas) => canvas.toDataURL()")
    assert "bits/dim" in measured

    def is_shown() -> bool:
        """In the end; a failure is a timeout."""
        view.get_by_text("bits/dim").wait_for()
        same = "([canvas, drawn]) => canvas.toDataURL() === drawn"
        page.page.wait_for_function(same, arg=[view.locator("canvas").element_handle(), drawn])
        return bool(view.inner_text() == measured)

    page.open_workflow(workflow("text_to_image"))
    assert view.count() == 0
    page.command("Workspace.PreviousOpenedWorkflow")
    assert is_shown()
    page.reload()
    assert is_shown()
    page.command("Workspace.NextOpenedWorkflow")
    page.command("Workspace.PreviousOpenedWorkflow")
    assert is_shown()


def test_a_fresh_copy_of_the_same_graph_shows_nothing(page: Page) -> None:
    page.open_workflow(workflow("likelihood"))
    page.run()
    page.open_workflow(workflow("likelihood"))
    page.page.wait_for_timeout(1500)
    assert "run to see" in page.page.locator(".starflow-likelihood").inner_text()


def test_measurements_seed_stays_when_a_node_is_added(page: Page) -> None:
    page.command("Comfy.NewBlankWorkflow")
    assert page.widget(page.add("STARFlowLikelihood"), "control_after_generate") == "fixed"
    assert page.widget(page.add("STARFlowSampler"), "control_after_generate") != "fixed"


# The sampler's size, and wires


def test_size_is_that_of_the_connected_model_at_the_ratio(page: Page) -> None:
    page.command("Comfy.NewBlankWorkflow")
    loader, sampler = page.add("STARFlowLoader"), page.add("STARFlowSampler")
    assert page.size(sampler) == (256, 256)  # of nothing that is known
    page.connect(loader, 0, sampler, "model")
    assert page.size(sampler) == (64, 64)
    page.choose(sampler, "aspect_ratio", "3:2")
    assert page.size(sampler) == (80, 56)
    page.choose(loader, "model", "tarflow-mini")
    page.choose(sampler, "aspect_ratio", "1:1")
    assert page.size(sampler) == (32, 32)
    page.choose(sampler, "width", 48)
    assert page.widget(sampler, "aspect_ratio") == "width and height"
    assert page.size(sampler) == (48, 32)
    page.choose(loader, "model", "starflow-mini")
    assert page.size(sampler) == (48, 32)  # the person's own


def test_wires_have_colours_on_light_and_dark_palettes(page: Page) -> None:
    for palette in ("light", "dark"):
        page.set("Comfy.ColorPalette", palette)
        for type in TYPES:
            slots, links, vue = page.colours(type)
            assert slots == links == vue
            assert slots.startswith("#")
    assert page.colours(TYPES[0]) != page.colours(TYPES[1])
