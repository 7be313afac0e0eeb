"""Make the example graphs from their API forms, in the real front end: `python tools/save_workflows.py`.

Each `tests/data/workflows/NAME.json` is opened in a browser, laid out, run, and saved as the front end saves it, to
`workflows/NAME.json`; its picture becomes `workflows/NAME.jpg`, and the page `docs/comfyui/NAME.png`. Needs COMFYUI_DIR
and COMFYUI_PYTHON as the tests do, and a chromium.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser import Page, opened  # noqa: E402
from comfyui_server import ComfyUI, runnable  # noqa: E402

SHOWN_FIRST = ("SaveImage", "PreviewImage", "STARFlowLikelihood")
THUMBNAIL = 400  # pixels

# Columns by distance from the loaders, nodes below each other in each; muted nodes in a band of their own below.
LAY_OUT = """(graph) => {
    const muted = (id) => Boolean(graph[id]._meta?.muted);
    const sources = (id) => Object.values(graph[id].inputs).filter(Array.isArray).map(([from]) => from);
    const before = (id) => sources(id).filter((from) => muted(from) === muted(id));
    const depth = (id) => Math.max(0, ...before(id).map((from) => depth(from) + 1));
    const nodes = window.app.graph.nodes ?? window.app.graph._nodes;
    let top = 80;
    for (const band of [false, true]) {
        const columns = [];
        for (const node of nodes) if (muted(node.id) === band) (columns[depth(node.id)] ??= []).push(node);
        let [x, bottom] = [60, top];
        for (const column of columns.filter(Boolean)) {
            let y = top;
            for (const node of column) {
                if (graph[node.id]._meta?.title) node.title = graph[node.id]._meta.title;
                if (band) node.mode = 2;
                const shows = node.type === "SaveImage" || node.type === "PreviewImage";
                node.size = shows ? [300, 330] : [Math.max(node.size[0], 240), node.size[1]];
                node.pos = [x, y];
                y += node.size[1] + 60;
            }
            bottom = Math.max(bottom, y);
            x += Math.max(...column.map((node) => node.size[0])) + 70;
        }
        top = bottom + 40;
    }
}"""


def save(server: ComfyUI, page: Page, source: Path) -> None:
    """One graph: its layout, its picture and its screenshot."""
    graph = json.loads(source.read_text())
    page.evaluate("async (graph) => { await window.app.loadApiJson(graph, 'example'); }", graph)
    page.evaluate(LAY_OUT, graph)
    page.fit()
    content = page.evaluate("() => window.app.graph.serialize()")
    (ROOT / "workflows" / source.name).write_text(json.dumps(content, indent=1) + "\n")
    outputs = page.run()
    kinds = {number: node["class_type"] for number, node in runnable(graph).items()}
    shown = sorted(outputs, key=lambda number: SHOWN_FIRST.index(kinds[number]))[0]
    files = outputs[shown].get("images") or [outputs[shown]["starflow_likelihood"][0]["image"]]
    picture = Image.open(io.BytesIO(server.view(files[0]))).convert("RGB")
    picture.resize((THUMBNAIL, THUMBNAIL * picture.height // picture.width), Image.Resampling.LANCZOS).save(
        ROOT / "workflows" / f"{source.stem}.jpg", quality=88
    )
    page.fit()
    page.screenshot(ROOT / "docs" / "comfyui" / f"{source.stem}.png")
    print(source.stem)


def main() -> None:
    (ROOT / "docs" / "comfyui").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, ComfyUI(Path(folder) / "comfyui") as server:
        shutil.copy(server.checkout / "input" / "example.png", server.folder / "input")
        for source in sorted((ROOT / "tests" / "data" / "workflows").glob("*.json")):
            with opened(server) as page:
                save(server, page, source)


if __name__ == "__main__":
    main()
