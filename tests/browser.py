"""ComfyUI's own front end in a headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chromium import browser
from comfyui_server import ComfyUI
from playwright.sync_api import ConsoleMessage
from playwright.sync_api import Page as BrowserPage

SIZE = {"width": 1600, "height": 900}
# No greeting, no minimap over the graph; and what the front end would otherwise migrate, with an error of its own.
SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.UseNewMenu": "Top",
    "Comfy.Minimap.Visible": False,
    "Comfy.Canvas.LeftMouseClickBehavior": "panning",
    "Comfy.Canvas.MouseWheelScroll": "zoom",
}
# What every fresh ComfyUI complains of, whatever packs it has.
HARMLESS = ("ERR_NAME_NOT_RESOLVED", "status of 404", "user.css", "ERR_INTERNET_DISCONNECTED", "ERR_NETWORK")
RUN = """() => new Promise((resolve, reject) => {
    const outputs = {};
    const api = window.comfyAPI.api.api;
    api.addEventListener("executed", ({ detail }) => { outputs[detail.node] = detail.output; });
    api.addEventListener("execution_success", () => resolve(outputs), { once: true });
    const fail = ({ detail }) => reject(new Error(detail.exception_message));
    api.addEventListener("execution_error", fail, { once: true });
    window.app.queuePrompt(0, 1);
})"""


class Page:
    """A page with the front end in it.

    Attributes:
        errors: what the browser's console complained of.
    """

    def __init__(self, page: BrowserPage) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(part in message.text for part in HARMLESS):
            self.errors.append(message.text)

    def evaluate(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def open_workflow(self, workflow: Any) -> None:
        """A graph as the front end saves it."""
        self.evaluate("async (workflow) => { await window.app.loadGraphData(workflow); }", workflow)
        self.fit()

    def fit(self) -> None:
        """Show all of the graph."""
        self.evaluate("() => window.app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        self.page.wait_for_timeout(800)

    def run(self) -> Any:
        """Run the graph, as the button does; what each node showed."""
        outputs = self.evaluate(RUN)
        self.page.wait_for_timeout(1500)  # until pictures are drawn
        return outputs

    def screenshot(self, path: Path) -> None:
        self.page.screenshot(path=path)


@contextmanager
def opened(server: ComfyUI, settings: dict[str, Any] | None = None) -> Iterator[Page]:
    """The server's page, ready to be worked with; `settings` of the front end go beside our own."""
    for name, value in {**SETTINGS, **(settings or {})}.items():
        server.post(f"/settings/{name}", value)
    with browser() as chromium:
        page = Page(chromium.new_page(viewport=SIZE))
        page.page.goto(server.address)
        page.page.wait_for_function("() => Boolean(window.app?.vueAppReady && window.app.graph)", timeout=60_000)
        page.page.wait_for_timeout(1500)
        yield page
