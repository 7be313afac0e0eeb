"""Make the example graphs from their API forms, in the real front end: `python tools/save_workflows.py [NAME …]`.

Each `tests/data/workflows/NAME.json` is opened in a browser, laid out as `templates.py` says with room for classic and
for Vue nodes, run, and saved as the front end saves it, to `workflows/NAME.json`; its thumbnail becomes
`workflows/NAME.jpg`, and the page `docs/comfyui/NAME.png`. Needs COMFYUI_DIR and COMFYUI_PYTHON as the tests do, of a
ComfyUI whose front end has Vue nodes, and a chromium.

The pictures of some templates need files that a user has, which `--files FOLDER` brings. It is laid out as the server's
folder of models: `loras/style.safetensors` is what `python -m benchmarks.train --only style` trains, and
`starflow/good.safetensors` what `starflow anomaly fit` makes, with starflow-mini, of 16 of its drawings of a ball.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tools")]

from browser import VUE_NODES, Page, opened  # noqa: E402
from comfyui_server import ComfyUI  # noqa: E402
from layout import Layout, Size, laid_out  # noqa: E402
from templates import COLOURS, KIND_COLOURS, TEMPLATES, Template  # noqa: E402
from thumbnail import thumbnail  # noqa: E402

SOURCES = ROOT / "tests" / "data" / "workflows"
PICTURE = (320, 400)  # of nodes that show a picture
PROMPT = (320, 170)
PREVIEW = 220  # below the fields of nodes that draw or play, for their preview
LINES = 80  # more than the usual ones of a field of prompts
LIKELIHOOD = 620  # of the node that shows the heatmap, at least
QUALITY = 86

Graph = dict[str, Any]

OPEN = "async (graph) => { await window.app.loadApiJson(graph, 'example'); }"
CLASSIC_SIZES = "() => Object.fromEntries(window.app.graph.nodes.map((node) => [node.id, [...node.computeSize()]]))"
ARRANGE = """({ nodes, groups, notes }) => {
    const graph = window.app.graph;
    for (const { name, title, box, colour, muted } of nodes) {
        const node = graph.getNodeById(Number(name));
        if (title) node.title = title;
        if (muted) node.mode = 2;
        [node.pos, node.size] = [box.slice(0, 2), box.slice(2)];
        const chosen = window.LGraphCanvas.node_colors[colour];
        if (chosen) [node.color, node.bgcolor] = [chosen.color, chosen.bgcolor];
        for (const widget of node.widgets ?? [])
            for (const control of widget.name === "seed" ? widget.linkedWidgets ?? [] : []) control.value = "fixed";
    }
    for (const { title, text, box } of notes) {
        const note = window.LiteGraph.createNode("MarkdownNote");
        graph.add(note);
        note.title = title;
        [note.pos, note.size] = [box.slice(0, 2), box.slice(2)];
        note.widgets[0].value = text;
    }
    for (const { title, box, colour } of groups) {
        const group = new window.LiteGraph.LGraphGroup(title);
        [group.pos, group.size, group.color, group.font_size] = [box.slice(0, 2), box.slice(2), colour, 28];
        graph.add(group);
    }
}"""
# What is undefined is left out, as the front end's own saving leaves it out.
SERIALIZE = "() => JSON.stringify(window.app.graph.serialize())"


def vue_sizes(server: ComfyUI, graph: Graph) -> dict[str, Size]:
    """What the nodes need as Vue nodes."""
    with opened(server, VUE_NODES) as page:
        page.evaluate(OPEN, graph)
        page.fit()
        return {name: (width, height) for name, (_, _, width, height) in page.boxes().items()}


def measured(graph: Graph, classic: dict[str, Size], vue: dict[str, Size]) -> dict[str, Size]:
    """Sizes that suit both kinds of nodes, with room for what they show when they have run."""
    sizes = {}
    for name, node in graph.items():
        width, height = (max(classic[name][i], vue[name][i]) for i in (0, 1))
        if node["class_type"] in ("SaveImage", "PreviewImage", "PreviewAny"):
            width, height = PICTURE
        if node["class_type"] in ("STARFlowTextEncode", "CLIPTextEncode"):
            width, height = PROMPT
        if node["class_type"] in ("STARFlowSampler", "STARFlowMorph", "SaveAnimatedWEBP"):
            height += PREVIEW
        if node["class_type"] == "STARFlowMatch":
            height += LINES
        if node["class_type"] == "STARFlowLikelihood":
            height = max(height, LIKELIHOOD)
        sizes[name] = (max(width, 260), height)
    return sizes


def arrange(page: Page, graph: Graph, template: Template, layout: Layout) -> None:
    groups = [group for row in template.rows for group in row]
    nodes = []
    for name, node in graph.items():
        meta = node.get("_meta", {})
        title, kind = meta.get("title"), node["class_type"]
        colour = COLOURS.get(title) or KIND_COLOURS.get(kind)
        about = {"title": title, "colour": colour, "muted": meta.get("muted", False)}
        nodes.append({"name": name, "box": layout.nodes[name], **about})
    notes = [{"title": "Note", "text": g.note, "box": layout.notes[g.title]} for g in groups]
    frames = [{"title": g.title, "box": layout.groups[g.title], "colour": g.colour} for g in groups]
    page.evaluate(ARRANGE, {"nodes": nodes, "groups": frames, "notes": notes})


def serialized(page: Page) -> Graph:
    """The graph without what is particular to the place where it was made."""
    graph: Graph = json.loads(page.evaluate(SERIALIZE))
    graph.pop("id", None)  # each opened copy gets one of its own
    graph["extra"] = {}
    for node in graph["nodes"]:
        for part in ("ver", "cnr_id", "aux_id"):
            node["properties"].pop(part, None)
    return graph


def with_files(workflow: Graph, template: Template) -> Graph:
    """The graph as it is where the user's files are: they are chosen, and nothing is muted."""
    if not template.files:
        return workflow
    made: Graph = json.loads(json.dumps(workflow))
    for node in made["nodes"]:
        node["mode"] = 0
        if file := template.files.get(str(node["id"])):
            node["widgets_values"] = [file if value == "none" else value for value in node["widgets_values"]]
            node.pop("widgets_values_named", None)
    return made


def pictures(server: ComfyUI, template: Template, outputs: Graph) -> list[tuple[Image.Image, str]]:
    """The frames of a thumbnail."""
    found = []
    for frame in template.frames:
        output = outputs[frame.node]
        scores = output.get("starflow_likelihood")
        file = scores[frame.index]["image"] if scores else output["images"][frame.index]
        caption = frame.caption.format(**scores[frame.index]) if scores else frame.caption
        found.append((Image.open(io.BytesIO(server.view(file))), caption))
    return found


def screenshot(page: Page, name: str) -> None:
    page.fit()
    path = ROOT / "docs" / "comfyui" / f"{name}.png"
    page.screenshot(path)
    with Image.open(path) as shot:
        shot.convert("RGB").quantize(256).save(path, optimize=True)


def save(server: ComfyUI, name: str) -> None:
    """One graph: its layout, its thumbnail and its screenshot."""
    template, graph = TEMPLATES[name], json.loads((SOURCES / f"{name}.json").read_text())
    vue = vue_sizes(server, graph)
    with opened(server) as page:
        page.evaluate(OPEN, graph)
        arrange(page, graph, template, laid_out(template, measured(graph, page.evaluate(CLASSIC_SIZES), vue)))
        workflow = serialized(page)
    (ROOT / "workflows" / f"{name}.json").write_text(json.dumps(workflow, indent=1, ensure_ascii=False) + "\n")
    with opened(server, VUE_NODES) as page:
        page.open_workflow(with_files(workflow, template))
        outputs = page.run()
        screenshot(page, name)
        assert page.complaints == [], page.complaints
    made = thumbnail(template.title, pictures(server, template, outputs))
    made.save(ROOT / "workflows" / f"{name}.jpg", quality=QUALITY, optimize=True)
    print(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="all by default")
    parser.add_argument("--files", type=Path, help="folder of a user's files")
    options = parser.parse_args()
    names = options.names or list(TEMPLATES)
    if unknown := [name for name in names if name not in TEMPLATES]:
        parser.error(f"there is no template {unknown[0]}; those are {', '.join(TEMPLATES)}")
    needing = [name for name in names if TEMPLATES[name].files]
    if needing and options.files is None:
        parser.error(f"the pictures of {', '.join(needing)} need --files")
    (ROOT / "docs" / "comfyui").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, ComfyUI(Path(folder) / "comfyui") as server:
        if options.files is not None:
            shutil.copytree(options.files, server.folder / "models", dirs_exist_ok=True)
        for name in names:
            save(server, name)


if __name__ == "__main__":
    main()
