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
from PIL import Image  # noqa: E402

FOLDER = ROOT / "docs" / "demo"


def take(visitor: Visit, name: str) -> None:
    """Every page, with something on it."""
    save(visitor, f"create-{name}")
    visitor.open("?prompt=red+apple&seed=0")
    visitor.drawn()
    visitor.page.locator(".card img").nth(1).hover()
    save(visitor, f"drawn-{name}")
    visitor.measure()
    save(visitor, f"likelihood-{name}")
    visitor.try_example("Which one is odd?")
    save(visitor, f"insight-{name}")
    visitor.invert()
    save(visitor, f"back-{name}")
    visitor.tab("For developers")
    visitor.run_panel("STARFlowLoader")
    save(visitor, f"developers-{name}")


def save(visitor: Visit, name: str) -> None:
    path = FOLDER / f"{name}.png"
    visitor.screenshot(path)
    shrink(path)


def shrink(path: Path) -> None:
    """A palette of 256 colours, which pages have few more than: a third of the bytes."""
    with Image.open(path) as taken:
        picture = taken.convert("RGB")
        small = picture.quantize(palette=picture.quantize(256), dither=Image.Dither.FLOYDSTEINBERG)
    small.save(path, optimize=True)


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
        shrink(FOLDER / "graph.png")


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
