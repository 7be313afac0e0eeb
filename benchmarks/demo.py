"""How long the demo lets people wait: `python -m benchmarks.demo`. Needs a chromium.

Seconds from asking for the page until it can be typed into, and from the click to the first preview and to the picture
with its likelihood; medians over visits, each in a browser of its own, with nothing kept from the one before.

`python -m benchmarks.demo crowd [SECONDS] [CHECKOUT …]` instead has twenty visitors draw one picture after another for
so many seconds (90 by default), and says how many pictures came and how long one was waited for: of the demo in each
checkout, or in this one.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from chromium import browser
from demo_page import Visit
from demo_server import ROOT, Demo
from raw_client import RawClient, endpoint

VISITS = 7
VISITORS = 20


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


def crowd(demo: Demo, seconds: float) -> list[float]:
    """Of twenty visitors at once, seconds of waiting for each picture that came in time."""
    asked = [endpoint(RawClient(demo), "create", prompt="a red heart", seed=number) for number in range(VISITORS)]
    end = time.monotonic() + seconds

    def visit(number: int) -> list[float]:
        visitor, times = RawClient(demo), []
        while (start := time.monotonic()) < end:
            status, _ = visitor.join(*asked[number])
            if status == 200 and '"success":true' in visitor.followed() and time.monotonic() <= end:
                times.append(time.monotonic() - start)
        return times

    with ThreadPoolExecutor(VISITORS) as visitors:
        return [waited for times in visitors.map(visit, range(VISITORS)) for waited in times]


def crowds(seconds: float, checkouts: Sequence[Path]) -> None:
    print(f"| twenty visitors for {seconds:.0f} s | pictures | median wait |\n| --- | --- | --- |")
    for checkout in checkouts:
        with tempfile.TemporaryDirectory() as folder, Demo(Path(folder), root=checkout) as demo:
            waited = crowd(demo, seconds)
        print(f"| {checkout} | {len(waited)} | {statistics.median(waited) if waited else math.inf:.1f} s |")


def main() -> None:
    if sys.argv[1:2] == ["crowd"]:
        return crowds(float([*sys.argv, "90"][2]), [Path(name) for name in sys.argv[3:]] or [ROOT])
    with tempfile.TemporaryDirectory() as folder, Demo(Path(folder)) as demo:
        measured = [waits(demo) for _ in range(VISITS)]
    print("| | median | largest |\n| --- | --- | --- |")
    names = ("page ready", "first preview after the click", "picture and likelihood after the click")
    for name, times in zip(names, zip(*measured, strict=True), strict=True):
        print(f"| {name} | {statistics.median(times):.2f} s | {max(times):.2f} s |")


if __name__ == "__main__":
    main()
