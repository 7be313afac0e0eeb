"""Make the demo's screenshots: `python tools/save_screenshots.py` writes docs/demo. Needs a chromium."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chromium import browser  # noqa: E402
from demo_page import DESKTOP, PHONE, Visit, open_graph, run_graph, visit  # noqa: E402
from demo_server import Demo  # noqa: E402

FOLDER = ROOT / "docs" / "demo"


def take(visitor: Visit, name: str) -> None:
    """Every page, with something on it."""
    visitor.draw("a red heart")
    visitor.screenshot(FOLDER / f"create-{name}.png")
    visitor.measure()
    visitor.screenshot(FOLDER / f"likelihood-{name}.png")
    visitor.invert()
    visitor.screenshot(FOLDER / f"invert-{name}.png")
    visitor.tab("Nodes")
    visitor.run_panel("STARFlowLoader")
    visitor.open_panel("STARFlowSampler")
    visitor.screenshot(FOLDER / f"nodes-{name}.png")


def take_graph() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Demo(Path(folder), program=("demo.graph", "text_to_image")) as demo,
        browser() as chromium,
    ):
        page = chromium.new_page(viewport={"width": 1600, "height": 900})
        open_graph(page, demo)
        run_graph(page)
        page.wait_for_timeout(700)
        page.screenshot(path=FOLDER / "graph.png")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Demo(Path(folder)) as demo:
        for size_name, size in (("desktop", DESKTOP), ("phone", PHONE)):
            for scheme in ("light", "dark"):
                with visit(demo, size, scheme) as visitor:
                    take(visitor, f"{size_name}-{scheme}")
    take_graph()


if __name__ == "__main__":
    main()
