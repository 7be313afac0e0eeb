"""The example graphs as they are saved: readable by every front end, and explained to whoever opens them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from templates import TEMPLATES

from nodes.catalogue import NODES

ROOT = Path(__file__).parent.parent.parent
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
EMPTY = ("link", "links")  # what front ends themselves write as null
MUTED = 2

Json = dict[str, Any]
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def read(path: Path) -> Json:
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    return content


def nulls(content: Any, at: str = "") -> Iterator[str]:
    """Where a graph holds null."""
    if isinstance(content, dict):
        for name, value in content.items():
            if value is None and name not in EMPTY:
                yield f"{at}/{name}"
            yield from nulls(value, f"{at}/{name}")
    if isinstance(content, list):
        for i, value in enumerate(content):
            yield from [f"{at}/{i}"] if value is None else nulls(value, f"{at}/{i}")


def notes(workflow: Json) -> str:
    return "\n".join(node["widgets_values"][0] for node in workflow["nodes"] if node["type"] == "MarkdownNote")


@every_workflow
def test_graph_holds_no_nulls_for_what_is_not_there(path: Path) -> None:
    assert list(nulls(read(path))) == []


@every_workflow
def test_graph_is_nobodys_yet(path: Path) -> None:
    """Each opened copy gets an id of its own, so that none shows what another one measured."""
    assert "id" not in read(path)


@every_workflow
def test_graph_is_its_api_form(path: Path) -> None:
    """The same nodes, wires and values."""
    source = json.loads((ROOT / "tests" / "data" / "workflows" / path.name).read_text())
    saved = read(path)
    nodes = {str(node["id"]): node for node in saved["nodes"] if node["type"] != "MarkdownNote"}
    links = {link: [str(origin), slot] for link, origin, slot, *_ in saved["links"]}
    assert nodes.keys() == source.keys()
    declared = {node.id: node for node in NODES}
    for name, expected in source.items():
        node = nodes[name]
        assert node["type"] == expected["class_type"]
        assert (node["mode"] == MUTED) == expected.get("_meta", {}).get("muted", False)
        wires = {one["name"]: links[one["link"]] for one in node["inputs"] if one["link"] is not None}
        assert wires == {key: value for key, value in expected["inputs"].items() if isinstance(value, list)}
        if node["type"] in declared:
            fields = [given.name for given in declared[node["type"]].inputs if given.name in expected["inputs"]]
            values = [expected["inputs"][field] for field in fields if field not in wires]
            assert [value for value in node.get("widgets_values", []) if value != "fixed"] == values


@every_workflow
def test_every_node_lies_in_a_group_with_a_note(path: Path) -> None:
    workflow, template = read(path), TEMPLATES[path.stem]
    groups = {group["title"]: group["bounding"] for group in workflow["groups"]}
    assert set(groups) == {group.title for row in template.rows for group in row}
    around: dict[str, list[str]] = {title: [] for title in groups}
    for node in workflow["nodes"]:
        (x, y), (width, height) = node["pos"], list(node["size"])
        holding = [
            title
            for title, (left, top, wide, tall) in groups.items()
            if left <= x and top <= y and x + width <= left + wide and y + height <= top + tall
        ]
        assert len(holding) == 1, node["type"]
        around[holding[0]].append(node["type"])
    assert all("MarkdownNote" in kinds for kinds in around.values())
    for first, second in combinations(groups.values(), 2):
        assert not overlap(first, second)


def overlap(first: list[float], second: list[float]) -> bool:
    """Whether two boxes (left, top, width, height) share a place."""
    return all(first[i] < second[i] + second[i + 2] and second[i] < first[i] + first[i + 2] for i in (0, 1))


@every_workflow
def test_seeds_stay_so_that_what_notes_say_holds(path: Path) -> None:
    declared = {node.id for node in NODES if any(given.name == "seed" for given in node.inputs)}
    for node in read(path)["nodes"]:
        if node["type"] in declared:
            assert "fixed" in node["widgets_values"]


def test_muted_half_says_which_model_it_needs_and_why_it_is_muted() -> None:
    workflow = read(ROOT / "workflows" / "refine_with_sd15.json")
    muted = [node for node in workflow["nodes"] if node["mode"] == MUTED]
    checkpoint = next(node["widgets_values"][0] for node in muted if node["type"] == "CheckpointLoaderSimple")
    said = notes(workflow)
    assert checkpoint in said
    for part in (
        "models/checkpoints",
        "muted",
        "Ctrl+M",
        "https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive",
    ):
        assert part in said


def test_graphs_draw_different_things() -> None:
    drawn = {
        node["widgets_values"][0] or node["widgets_values"][-1]
        for path in WORKFLOWS
        for node in read(path)["nodes"]
        if node.get("title") in ("What to draw", "What the picture shows", "What the first shows")
    }
    assert len(drawn) == len(WORKFLOWS)


@every_workflow
def test_thumbnail_is_small_and_wide(path: Path) -> None:
    picture = path.with_suffix(".jpg")
    assert 2_000 < picture.stat().st_size < 60_000
    with Image.open(picture) as opened:
        assert opened.width == 640
