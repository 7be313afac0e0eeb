"""How long the demo lets people wait: `python -m benchmarks.demo`. Needs a chromium.

Seconds from asking for the page until it can be typed into, and from the click to the first preview and to the picture
with its likelihood; medians over visits, each in a browser of its own, with nothing kept from the one before.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from chromium import browser
from demo_page import Visit
from demo_server import Demo

VISITS = 7


def waits(demo: Demo) -> tuple[float, float, float]:
    """Of one visit: for the page, the first preview, and the picture."""
    with browser() as chromium:
        visitor = Visit(chromium.new_page(), demo)
        start = time.perf_counter()
        visitor.open()
        opened = time.perf_counter()
        visitor.page.fill("#prompt textarea", "a red heart")
        clicked = time.perf_counter()
        visitor.page.click("#draw")
        visitor.shown("#pictures img").wait_for()
        previewed = time.perf_counter()
        visitor.shown(".status table").wait_for()
        drawn = time.perf_counter()
    return opened - start, previewed - clicked, drawn - clicked


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Demo(Path(folder)) as demo:
        measured = [waits(demo) for _ in range(VISITS)]
    print("| | median | largest |\n| --- | --- | --- |")
    names = ("page ready", "first preview after the click", "picture and likelihood after the click")
    for name, times in zip(names, zip(*measured, strict=True), strict=True):
        print(f"| {name} | {statistics.median(times):.2f} s | {max(times):.2f} s |")


if __name__ == "__main__":
    main()
