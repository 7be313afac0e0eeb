"""The demo's page in a browser, as a person uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chromium import browser
from demo_server import Demo
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

DESKTOP, PHONE = (1280, 900), (390, 844)
PATIENCE = 300_000  # milliseconds that a page may take for anything: a busy machine is no fault


class Visit:
    """A page with the demo in it.

    Attributes:
        errors: what the browser's console complained of.
        outside: addresses of other machines that it asked for.
    """

    def __init__(self, page: Page, demo: Demo) -> None:
        self.page, self.demo = page, demo
        self.errors: list[str] = []
        self.outside: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._note_request(request.url))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _note_request(self, address: str) -> None:
        if not address.startswith((self.demo.address, "data:", "blob:")):
            self.outside.append(address)

    def open(self, query: str = "") -> None:
        self.page.goto(self.demo.address + query)
        # Stop, where the address has begun a drawing.
        buttons = "#draw, #stop, #measure, #match, #invert, #inpaint, .code"
        self.page.locator(buttons).locator("visible=true").first.wait_for()

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def shown(self, selector: str) -> Locator:
        """The first of what is there and can be seen."""
        return self.page.locator(selector).locator("visible=true").first

    def fill_prompt(self, prompt: str) -> None:
        self.page.locator("#prompt textarea, #prompt input").fill(prompt)

    def draw(self, prompt: str) -> None:
        """To the end."""
        self.fill_prompt(prompt)
        self.page.click("#draw")
        self.drawn()

    def drawn(self) -> None:
        """The drawing under way has come to its end."""
        self.page.locator("body.drawing").wait_for(state="detached")
        self.shown(".card.done img").wait_for()

    def settings(self) -> None:
        """Open the settings."""
        self.page.locator("#settings > button").click()

    def choose(self, label: str, option: str) -> None:
        """A name in a list of the settings."""
        self.page.get_by_label(label, exact=True).locator("visible=true").first.click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def act(self, action: str, place: int = 0) -> None:
        """Press one of the buttons that a drawn picture has."""
        card = self.page.locator(".card").nth(place)
        card.locator("img").hover()
        card.locator(f"[data-action={action}]").click()

    def measure(self) -> None:
        """The first picture that was drawn."""
        self.act("odd")
        self.shown(".status table").wait_for()

    def invert(self) -> None:
        """The first picture that was drawn."""
        self.tab("Create")
        self.act("back")
        self.page.get_by_text("relative error").wait_for()
        self.shown("#there-and-back img").wait_for()

    def try_example(self, question: str, place: int = 0) -> Locator:
        """Open a part of the page Insight and press one of its examples; the cards that come of it."""
        self.tab("Insight")
        self.tab(question)
        self.page.locator(".example-buttons button").locator("visible=true").nth(place).click()
        self.shown(".overlays .card").wait_for()
        return self.page.locator(".overlays .card").locator("visible=true")

    def open_panel(self, node: str) -> Locator:
        panel = self.page.locator(f"#panel-{node}")
        panel.locator("button").first.click()
        self.shown(f"#run-{node}").wait_for()
        return panel

    def run_panel(self, node: str) -> Locator:
        """Open a node's panel and run it to the end."""
        panel = self.open_panel(node)
        self.shown(f"#run-{node}").click()
        panel.get_by_text("Done.").wait_for()
        return panel

    def screenshot(self, path: Path) -> None:
        self.page.wait_for_timeout(700)  # until pictures are painted
        self.page.screenshot(path=path, full_page=True)


def open_graph(page: Page, demo: Demo) -> None:
    """The canvas of an example graph."""
    page.goto(demo.address)
    page.get_by_text("Workflow", exact=True).first.click()
    page.get_by_text("STARFlow Loader").first.wait_for()
    page.locator("button.lg").filter(has_text="Run").wait_for(state="hidden")  # of the other view of the graph


def run_graph(page: Page) -> None:
    """To its first picture."""
    page.locator("button:visible:not(.lg)").filter(has_text=re.compile(r"Run\s*$")).last.click()
    page.locator("img[src*='file=']").last.wait_for()


@contextmanager
def visit(demo: Demo, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Iterator[Visit]:
    """The page, loaded."""
    with browser() as chromium, visit_in(chromium, demo, size, scheme) as visitor:
        yield visitor


@contextmanager
def visit_in(chromium: Browser, demo: Demo, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Iterator[Visit]:
    """The same, in a browser that is there, as a visitor of its own."""
    width, height = size
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        has_touch=size == PHONE,
    )
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    visitor = Visit(context.new_page(), demo)
    visitor.open()
    yield visitor
    context.close()
